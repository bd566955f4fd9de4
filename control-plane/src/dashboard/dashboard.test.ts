import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { exchange } from "../testing/raw-http.ts";
import { TestStack } from "../testing/test-stack.ts";

const PAGE = '<!doctype html><title>Pages</title><script>start("a")</script><script>start("b")</script>';
const SCRIPT = "export const answer = 42;\n".repeat(100);
const FIRST = "a".repeat(32);
const SECOND = "b".repeat(32);
const BROKEN = "c".repeat(32);
const SECRET = "not for clients";

let database: TestDatabase;
let stack: TestStack;
let root: string;
let builds: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "warren-pages-"));
  builds = join(root, "builds");
  await mkdir(builds);
  await writeFile(join(root, "secret.txt"), SECRET);
  database = await createDatabase();
  stack = await TestStack.start(database, { config: { dashboardDir: builds } });
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
  await rm(root, { recursive: true, force: true });
});

/** Puts a build there as the launcher does: whole, under its own name. */
async function putBuild(name: string, script: string): Promise<void> {
  const directory = join(builds, `building-${name}`);
  await mkdir(join(directory, "_app/immutable"), { recursive: true });
  for (const [path, text] of [
    ["index.html", PAGE],
    ["favicon.svg", "<svg/>"],
    ["_app/version.json", `{"version":"${name}"}`],
    [`_app/immutable/${script}`, SCRIPT],
  ] as const) {
    await writeFile(join(directory, path), text);
    await writeFile(join(directory, `${path}.br`), brotliCompressSync(text));
    await writeFile(join(directory, `${path}.gz`), gzipSync(text));
  }
  await symlink(join(root, "secret.txt"), join(directory, "_app/link.txt"));
  await rename(directory, join(builds, name));
  await serve(name);
}

/** Has a build served. */
async function serve(name: string): Promise<void> {
  await writeFile(join(builds, "next"), `${name}\n`);
  await rename(join(builds, "next"), join(builds, "current"));
}

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(stack.url + path, { method, headers: { "accept-encoding": "identity", ...headers }, redirect: "manual" });

describe("before there is a build", () => {
  it("the pages say so, and ask again by themselves", async () => {
    const response = await get("/login");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("2");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toMatch(/location\.reload\(\).*being built/s);
    expect(response.headers.get("content-security-policy")).toMatch(/script-src 'self' 'sha256-/);
    expect((await get("/health")).status).toBe(200);
  });

  it("a build that failed is told in its own words, as text", async () => {
    await writeFile(join(builds, "failed"), "vite ended with <status> 1.\n");
    const text = await (await get("/")).text();
    expect(text).toMatch(/could not be built/);
    expect(text).toContain("vite ended with &#60;status&#62; 1.");
    expect(text).not.toContain("reload");
    await rm(join(builds, "failed"));
  });

  it("a build that cannot be read is none", async () => {
    await mkdir(join(builds, BROKEN));
    await serve(BROKEN);
    expect((await get("/")).status).toBe(503);
    await serve("../../etc");
    expect((await get("/")).status).toBe(503);
    await rm(join(builds, BROKEN), { recursive: true });
  });
});

describe("a build", () => {
  beforeAll(() => putBuild(FIRST, "one.js"));

  it.each([
    "/",
    "/login",
    "/login?to=/dashboard/keys",
    "/setup",
    "/reset",
    "/auth/github/callback?error=access_denied",
    "/dashboard",
    "/dashboard/capsules/sb1234567890",
    "/dashboard/a/b/c/d",
  ])("has the page at %s", async (path) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(await response.text()).toBe(PAGE);
  });

  it.each([
    "/v1/nowhere",
    "/v1",
    "/docs/nowhere.js",
    "/openapi.txt",
    "/loginx",
    "/login/",
    "/auth/github",
    "/index.html",
    "/_app",
    "/_app/immutable/none.js",
    "/_app/link.txt",
  ])("has nothing at %s, which is answered as an error of the API", async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect(((await response.json()) as { error: { code: string } }).error.code).toBe("not_found");
  });

  it("allows its pages no more than their own files and their own scripts", async () => {
    const policy = (await get("/dashboard")).headers.get("content-security-policy")!;
    const rules = new Map(policy.split(";").map((rule) => [rule.split(" ", 1)[0]!, rule.slice(rule.indexOf(" ") + 1)]));
    expect(Object.fromEntries(rules)).toMatchObject({
      "default-src": "'none'",
      "style-src": "'self'",
      "connect-src": "'self'",
      "frame-ancestors": "'none'",
      "base-uri": "'none'",
      "object-src": "'none'",
    });
    // Those of `start("a")` and `start("b")`, as sha256sum and base64 give them.
    expect(rules.get("script-src")!.split(" ")).toEqual([
      "'self'",
      "'sha256-oieM5sW+l4eTWRpTEU/1xgQALjnENUupdvoSu2k7Cco='",
      "'sha256-DKslTgGzJxhlnt+/FLDf+EMW+ZFvKAa5C2M1+x8RLOY='",
    ]);
    expect(policy).not.toMatch(/unsafe|\*|http:/);
  });

  it("keeps what the API says of itself to browsers", async () => {
    expect((await get("/v1/me")).headers.get("content-security-policy")).toMatch(/^default-src 'self'/);
    const { headers } = await get("/dashboard");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  });

  it("is kept by browsers where the name is that of the content", async () => {
    const response = await get("/_app/immutable/one.js");
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(response.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect((await get("/_app/version.json")).headers.get("cache-control")).toBe("no-cache");
  });

  it.each([
    ["br, gzip", "br"],
    ["gzip, deflate", "gzip"],
    ["*", "br"],
    ["br;q=0, gzip;q=0.5", "gzip"],
    ["br;q=0, *", "gzip"],
    ["deflate", null],
    ["gzip;q=0", null],
  ])("comes compressed as the client takes it: %s", async (accepted, encoding) => {
    const { status, headers } = await exchange(
      stack.url,
      `HEAD /_app/immutable/one.js HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: ${accepted}\r\nConnection: close\r\n\r\n`,
    );
    expect(status).toBe(200);
    expect(headers["content-encoding"] ?? null).toBe(encoding);
    expect(headers.vary).toBe("Accept-Encoding");
    // fetch decodes what it gets.
    expect(await (await get("/_app/immutable/one.js", { "accept-encoding": accepted })).text()).toBe(SCRIPT);
  });

  it("is not sent again to who has it, in the encoding that they have", async () => {
    for (const accepted of ["identity", "br"]) {
      const etag = (await get("/login", { "accept-encoding": accepted })).headers.get("etag")!;
      for (const known of [etag, `"other", W/${etag}`, "*"]) {
        const again = await get("/login", { "accept-encoding": accepted, "if-none-match": known });
        expect(again.status).toBe(304);
        expect(again.headers.get("content-security-policy")).toContain("script-src");
        expect(await again.text()).toBe("");
      }
      expect((await get("/login", { "accept-encoding": accepted, "if-none-match": '"other"' })).status).toBe(200);
    }
    const [plain, compressed] = await Promise.all([get("/login"), get("/login", { "accept-encoding": "br" })]);
    expect(plain.headers.get("etag")).not.toBe(compressed.headers.get("etag"));
  });

  it("answers HEAD as GET, without the content", async () => {
    const head = await get("/dashboard", {}, "HEAD");
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe(String(PAGE.length));
    expect(await head.text()).toBe("");
  });

  it.each(["POST", "PUT", "DELETE"])("takes no %s", async (method) => {
    const response = await get("/login", {}, method);
    expect(response.status).toBe(405);
  });

  it("gives nothing that is not of it, whatever the path", async () => {
    const pieces = [
      "..",
      ".",
      "%2e%2e",
      "%2f",
      "\\",
      "_app",
      "immutable",
      "one.js",
      "secret.txt",
      "current",
      "%00",
      "é",
      "",
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 8 })), { maxLength: 8 }),
        async (parts) => {
          // As bytes on the wire: clients put `..` away themselves.
          const path = `/_app/${parts.join("/")}`.replace(/[^\x21-\x7e]/g, (character) =>
            encodeURIComponent(character.toWellFormed()),
          );
          const { status, body } = await exchange(
            stack.url,
            `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
          );
          expect(body).not.toContain(SECRET);
          expect([200, 400, 404]).toContain(status);
          if (status === 200) expect([SCRIPT, `{"version":"${FIRST}"}`]).toContain(body);
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });

  it("gives way to the next at once, and pages that are open since before find their files", async () => {
    await putBuild(SECOND, "two.js");
    expect(await (await get("/_app/version.json")).json()).toEqual({ version: SECOND });
    for (const script of ["one.js", "two.js"]) {
      const response = await get(`/_app/immutable/${script}`, { "accept-encoding": "br" });
      expect(response.status).toBe(200);
    }
    await rm(join(builds, FIRST), { recursive: true });
  });
});
