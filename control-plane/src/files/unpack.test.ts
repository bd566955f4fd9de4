import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { ARCHIVE_END, archiveMember } from "@warren/server/archive";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { eventsOf, told } from "../testing/audit-events.ts";
import { expectJson, expectStatus, Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const database = testDatabase();
let stack: TestStack;
let ada: Person;
let id: string;
beforeAll(async () => {
  stack = await startAccountStack(database());
  ada = await Person.signUp(stack, { name: "Ada" });
  id = (await expectJson<{ id: string }>(await ada.call("POST", "/v1/sandboxes", {}), 201)).id;
});
afterAll(() => stack?.close());

const inGuest = (path: string) => stack.host.guest(id).path(path);
const tar = (...files: [path: string, content: string][]) =>
  Buffer.concat([
    ...files.map(([path, content]) => archiveMember(path, Buffer.from(content), new Date(0))),
    ARCHIVE_END,
  ]);
const address = (path: string) => `/v1/sandboxes/${id}/files/archive?path=${encodeURIComponent(path)}`;
const put = (path: string, body: Uint8Array, type = "application/x-tar") =>
  ada.call("PUT", address(path), new Blob([body as Uint8Array<ArrayBuffer>], { type }));

describe("PUT files/archive", () => {
  it("unpacks what GET gives, of any length, as it comes", async () => {
    await mkdir(inGuest("from/sub"), { recursive: true });
    await writeFile(inGuest("from/sub/large"), Buffer.alloc(9_000_001, "large"));
    const got = await ada.call("GET", address("from"));
    await expectStatus(await put("to/here", Buffer.from(await got.arrayBuffer())), 204);
    expect((await readFile(inGuest("to/here/from/sub/large"))).length).toBe(9_000_001);
  });

  it("keeps what is there beside it, and replaces what it has", async () => {
    await expectStatus(await put("again", tar(["a", "one"], ["b", "two"])), 204);
    await expectStatus(await put("again", tar(["b", "three"])), 204);
    expect([await readFile(inGuest("again/a"), "utf8"), await readFile(inGuest("again/b"), "utf8")]).toEqual([
      "one",
      "three",
    ]);
  });

  it("says what is wrong with a request", async () => {
    const zipped = await put("x", Buffer.from("PK no archive".repeat(100)));
    expect(await errorOf(zipped)).toMatchObject({ status: 400, code: "invalid_request" });
    expect(await errorOf(await put("x", tar(), "application/zip"))).toMatchObject({
      status: 400,
      message: "the body must be application/x-tar, and its content-type says application/zip",
    });
    const json = await ada.call("PUT", address("x"), {});
    expect(await errorOf(json)).toMatchObject({ code: "invalid_request" });
    expect(await errorOf(await ada.call("PUT", address("x")))).toMatchObject({
      message: "the body must be application/x-tar, and there is none",
    });
    for (const query of ["", "?path=a%00b", "?path=a&archive=tar", "?path=a&user=a:b"]) {
      const path = `/v1/sandboxes/${id}/files/archive${query}`;
      const answer = await ada.call(
        "PUT",
        path,
        new Blob([ARCHIVE_END as Uint8Array<ArrayBuffer>], { type: "application/x-tar" }),
      );
      expect(await errorOf(answer)).toMatchObject({ status: 400, code: "invalid_request" });
    }
  });

  it("is told in the audit log, with what came of one that failed", async () => {
    const { id: other } = await expectJson<{ id: string }>(await ada.call("POST", "/v1/sandboxes", {}), 201);
    const send = (body: Uint8Array) =>
      ada.call(
        "PUT",
        `/v1/sandboxes/${other}/files/archive?path=d`,
        new Blob([body as Uint8Array<ArrayBuffer>], { type: "application/x-tar" }),
      );
    await expectStatus(await send(tar(["a", "x"])), 204);
    await expectStatus(await send(Buffer.alloc(600, 1)), 400);
    const found = async () => (await told(await eventsOf(ada, `?resource_id=${other}`))).slice(1);
    await expect.poll(async () => (await found()).length).toBe(2);
    expect(await found()).toEqual([
      ["sandbox write_file", "success", "Ada", { path: "d", bytes: 2048, archive: true }],
      [
        "sandbox write_file",
        "error",
        "Ada",
        { path: "d", bytes: 600, archive: true, error: expect.stringContaining("cannot be unpacked") },
      ],
    ]);
  });

  it("that is refused before it is read is answered, though its client sends all of it first", async () => {
    const url = new URL(stack.url);
    const body = Buffer.alloc(48 * 1024 * 1024);
    const sent = request({
      host: url.hostname,
      port: url.port,
      method: "PUT",
      path: address("d").replace(id, "sbaaaaaaaaaaaaaaaaaaaa"),
      headers: {
        authorization: `Bearer ${ada.token}`,
        "content-type": "application/x-tar",
        "content-length": body.length,
      },
    });
    const answered = once(sent, "response");
    sent.end(body);
    await once(sent, "finish");
    const [answer] = await answered;
    expect(answer.statusCode).toBe(404);
    answer.resume();
    sent.destroy();
  });

  it("ends what unpacks it when its client leaves", async () => {
    const url = new URL(stack.url);
    const sent = request({
      host: url.hostname,
      port: url.port,
      method: "PUT",
      path: address("left"),
      headers: { authorization: `Bearer ${ada.token}`, "content-type": "application/x-tar" },
    });
    sent.on("error", () => undefined);
    // tar(1) reads records of several members at once.
    sent.write(tar(["first", "x"], ["second", "x".repeat(100_000)]).subarray(0, 50_000));
    await expect.poll(() => readdir(inGuest("left")).catch(() => [])).toContain("first");
    sent.destroy();
    await expect
      .poll(async () => (await eventsOf(ada, `?resource_id=${id}`)).some(({ metadata }) => metadata?.path === "left"))
      .toBe(true);
  });

  it("takes what curl sends of tar(1)", async () => {
    await mkdir(inGuest("mine"), { recursive: true });
    await writeFile(inGuest("mine/file"), "of tar");
    const packed = spawn("tar", ["--create", "--directory", inGuest("mine"), "."], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const headers = ["--header", `Authorization: Bearer ${ada.token}`, "--header", "Content-Type: application/x-tar"];
    const curl = spawn(
      "curl",
      ["--silent", "--fail", "--request", "PUT", "--upload-file", "-", ...headers, stack.url + address("by-curl")],
      {
        stdio: [packed.stdout, "ignore", "inherit"],
      },
    );
    expect((await once(curl, "close"))[0]).toBe(0);
    expect(await readFile(inGuest("by-curl/file"), "utf8")).toBe("of tar");
  });
});
