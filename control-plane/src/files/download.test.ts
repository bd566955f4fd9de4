import { randomBytes } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { readArchive } from "@warren/server/archive";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, Person, startAccountStack } from "../testing/person.ts";
import { exchange } from "../testing/raw-http.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const database = testDatabase();
let stack: TestStack;
let id: string;
beforeAll(async () => {
  stack = await startAccountStack(database());
  id = (await stack.createSandbox()).id;
});
afterAll(() => stack?.close());

const inGuest = (path: string) => stack.host.guest(id).path(path);
const address = (route: string, path: string) => `/v1/sandboxes/${id}/files/${route}?path=${encodeURIComponent(path)}`;
const get = (route: string, path: string, init?: RequestInit) =>
  stack.call("GET", address(route, path), undefined, init);

/** What keeps an answer from being shown or run, whatever is in it. */
function expectHarmless({ headers }: Response): void {
  expect(headers.get("content-disposition")).toMatch(/^attachment; /);
  expect(headers.get("content-security-policy")).toBe("sandbox; default-src 'none'; frame-ancestors 'none'");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  expect(headers.get("cache-control")).toBe("no-store");
}

describe("files/download", () => {
  it("gives the bytes of a file with their number, mode and time", async () => {
    const bytes = randomBytes(3_000_001);
    await writeFile(inGuest("big.bin"), bytes, { mode: 0o640 });
    const answer = await get("download", "big.bin");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-length")).toBe(String(bytes.length));
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="big.bin"');
    expect(Number.parseInt(answer.headers.get("x-file-mode") ?? "", 8)).toBe(0o640);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it.each(["page.html", "picture.svg", "program.js", "style.css", "<script>.html", "line\nbreak.htm", 'q"uote.xhtml'])(
    "never lets a guest's %j be more than bytes to save",
    async (name) => {
      await writeFile(inGuest(name), "<!doctype html><script>alert(1)</script>");
      const answer = await get("download", `/${name}`);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("application/octet-stream");
      expectHarmless(answer);
      await answer.body?.cancel();
    },
  );

  it("says what is wrong, and tells the name of no field twice", async () => {
    await mkdir(inGuest("folder"), { recursive: true });
    expect(await errorOf(await get("download", "absent"))).toMatchObject({ status: 404, code: "file_not_found" });
    expect(await errorOf(await get("download", "folder"))).toMatchObject({ status: 400, code: "invalid_path" });
    expect(await errorOf(await get("download", "a\0b"))).toMatchObject({
      status: 400,
      message: expect.stringContaining("querystring/path must be a path, without NUL characters"),
    });
    const bare = `/v1/sandboxes/${id}/files/download`;
    expect(await errorOf(await stack.call("GET", bare))).toMatchObject({ message: "querystring/path is required" });
    for (const query of ["path=a&path=b", "path=a&archive=tar", "path=a&user=a:b", "path=a&mode=1"]) {
      expect(await errorOf(await stack.call("GET", `${bare}?${query}`))).toMatchObject({ code: "invalid_request" });
    }
  });
});

describe("files/archive", () => {
  it("gives a directory as a tar archive, under its name", async () => {
    await mkdir(inGuest("project/src"), { recursive: true });
    await writeFile(inGuest("project/src/a.txt"), "content");
    await symlink("src/a.txt", inGuest("project/link"));
    const answer = await get("archive", "/project/");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/x-tar");
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="project.tar"');
    expectHarmless(answer);
    const members: Record<string, string> = {};
    for await (const { path, type, target, content } of readArchive(chunks(answer)))
      members[path] = `${type} ${target}${await text(content)}`;
    expect(members).toEqual({
      "project/": "directory ",
      "project/link": "symlink src/a.txt",
      "project/src/": "directory ",
      "project/src/a.txt": "file content",
    });
  });

  it("has the name of the sandbox where the path tells none", async () => {
    const answer = await get("archive", "");
    expect(answer.headers.get("content-disposition")).toBe(`attachment; filename="${id}.tar"`);
    await answer.body?.cancel();
  });

  it("says what is wrong", async () => {
    await writeFile(inGuest("file"), "x");
    expect(await errorOf(await get("archive", "absent"))).toMatchObject({ status: 404, code: "file_not_found" });
    expect(await errorOf(await get("archive", "file"))).toMatchObject({ status: 400, code: "invalid_path" });
  });
});

describe.each(["download", "archive"])("files/%s of a browser", (route) => {
  it("takes the session of its cookie, but not from links of other sites", async () => {
    const person = await Person.signUp(stack);
    const sandbox = await expectJson<Sandbox>(await person.call("POST", "/v1/sandboxes", {}), 201);
    await mkdir(stack.host.guest(sandbox.id).path("here"), { recursive: true });
    await writeFile(stack.host.guest(sandbox.id).path("here/file"), "mine");
    const path = route === "archive" ? "here" : "here/file";
    const ask = (site: string) =>
      exchange(
        stack.url,
        `GET /v1/sandboxes/${sandbox.id}/files/${route}?path=${path} HTTP/1.1\r\nHost: ${new URL(stack.url).host}\r\n` +
          `Cookie: warren_session=${person.token}\r\nSec-Fetch-Site: ${site}\r\nConnection: close\r\n\r\n`,
      );
    for (const site of ["same-origin", "none"]) expect((await ask(site)).status).toBe(200);
    for (const site of ["cross-site", "same-site", "anything"]) expect((await ask(site)).status).toBe(403);
    const stranger = await Person.signUp(stack);
    const theirs = await stranger.call("GET", `/v1/sandboxes/${sandbox.id}/files/${route}?path=${path}`);
    expect(theirs.status).toBe(404);
  });
});

async function* chunks({ body }: Response): AsyncGenerator<Buffer> {
  for await (const chunk of body!) yield Buffer.from(chunk);
}
