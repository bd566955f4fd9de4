import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { LIMITS } from "@warren/contracts/limits";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
let id: string;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database);
  id = (await stack.createSandbox()).id;
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const inGuest = (path: string) => stack.host.guest(id).path(path);
/** Names that the host makes while it writes, until it knows how the upload ends. */
const TEMPORARY = /\.[0-9a-f-]{36}$/;
const filesInGuest = async () => (await readdir(inGuest("/"))).filter((name) => !TEMPORARY.test(name));
const temporariesInGuest = async () => (await readdir(inGuest("/"))).filter((name) => TEMPORARY.test(name));
const post = (route: string, body?: object, init?: RequestInit) =>
  stack.call("POST", `/v1/sandboxes/${id}/files/${route}`, body, init);

type Part = [name: string, value: string | Buffer, filename?: string];

/** A multipart body written by hand, so that parts come in any order and form. */
function form(parts: Part[], boundary = "boundary"): { body: Buffer; type: string } {
  const pieces = parts.flatMap(([name, value, filename]) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
        `${filename === undefined ? "" : `; filename="${filename}"`}\r\n\r\n`,
    ),
    Buffer.from(value as string),
    Buffer.from("\r\n"),
  ]);
  const body = Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
  return { body, type: `multipart/form-data; boundary=${boundary}` };
}

function upload(route: string, parts: Part[]): Promise<Response> {
  const { body, type } = form(parts);
  return raw(route, body, type);
}

function raw(route: string, body: BodyLike, type: string): Promise<Response> {
  const headers = { "x-api-key": stack.apiKey, "content-type": type };
  const url = `${stack.url}/v1/sandboxes/${id}/files/${route}`;
  return fetch(url, { method: "POST", headers, body, ...(body instanceof ReadableStream && { duplex: "half" }) });
}

type BodyLike = Buffer | ReadableStream;

describe.each(["write", "stream/write"])("files/%s", (route) => {
  it("writes any bytes, with path and file in either order", async () => {
    const bytes = randomBytes(300_000);
    expect(
      (
        await upload(route, [
          ["path", "a.bin"],
          ["file", bytes, "x"],
        ])
      ).status,
    ).toBe(204);
    expect(bytes.equals(await readFile(inGuest("a.bin")))).toBe(true);
    expect(
      (
        await upload(route, [
          ["file", bytes, "x"],
          ["user", "root"],
          ["path", "b.bin"],
        ])
      ).status,
    ).toBe(204);
    expect(bytes.equals(await readFile(inGuest("b.bin")))).toBe(true);
    expect(await readdir(join(stack.config.dataDir, "spool"))).toEqual([]);
  });

  it("takes a form of a standard client, and a file without a file name", async () => {
    const standard = new FormData();
    standard.set("path", "c.txt");
    standard.set("file", new Blob(["from a form"]), "local name.txt");
    expect((await post(route, standard)).status).toBe(204);
    expect(await readFile(inGuest("c.txt"), "utf8")).toBe("from a form");
    expect(
      (
        await upload(route, [
          ["path", "d.txt"],
          ["file", Buffer.from([0xff, 0])],
        ])
      ).status,
    ).toBe(204);
    expect(await readFile(inGuest("d.txt"))).toEqual(Buffer.from([0xff, 0]));
  });

  it("takes a name that a form cannot carry as a file name", async () => {
    for (const name of ['a"b%22', "c\\d", "e\r\nf", "ü;x='y'"]) {
      const parts: Part[] = [
        ["path", "named/"],
        ["name", name],
        ["file", name, "other"],
      ];
      expect((await upload(route, parts)).status).toBe(204);
      expect(await readFile(inGuest(`named/${name}`), "utf8")).toBe(name);
    }
    const slash: Part[] = [
      ["path", "named/"],
      ["name", "a/b"],
      ["file", "x", "x"],
    ];
    expect(await errorOf(await upload(route, slash))).toMatchObject({ status: 400, code: "invalid_request" });
  });

  it("takes an empty path for the user's home, where the file keeps its name", async () => {
    const parts: Part[] = [
      ["path", ""],
      ["file", "into the home", "home.txt"],
    ];
    expect((await upload(route, parts)).status).toBe(204);
    expect(await readFile(inGuest("home.txt"), "utf8")).toBe("into the home");
  });

  it("writes an empty file when that is what was given", async () => {
    expect(
      (
        await upload(route, [
          ["path", "empty"],
          ["file", "", "empty"],
        ])
      ).status,
    ).toBe(204);
    expect((await stat(inGuest("empty"))).size).toBe(0);
  });

  it.each<[string, Part[], string]>([
    ["no file", [["path", "x"]], "body/file is required"],
    ["no path", [["file", "x", "x"]], "body/path is required"],
    ["nothing", [], ""],
    [
      "an empty file input",
      [
        ["path", "x"],
        ["file", "", ""],
      ],
      "body/file has no file",
    ],
    [
      "a path with a NUL",
      [
        ["path", "a\0b"],
        ["file", "x", "x"],
      ],
      "body/path must be a path, without NUL characters",
    ],
    [
      "a path that is too long",
      [
        ["path", "x".repeat(5000)],
        ["file", "x", "x"],
      ],
      "body/path must have at most",
    ],
    [
      "two paths",
      [
        ["path", "x"],
        ["path", "y"],
        ["file", "x", "x"],
      ],
      "body/path must be given once",
    ],
    [
      "two files",
      [
        ["path", "x"],
        ["file", "x", "x"],
        ["file", "y", "y"],
      ],
      "body/file must be one file",
    ],
    [
      "two files, then a path",
      [
        ["file", "x", "x"],
        ["file", "y", "y"],
        ["path", "x"],
      ],
      "body/file must be one file",
    ],
    [
      "an unknown field",
      [
        ["path", "x"],
        ["owner", "777"],
        ["file", "x", "x"],
      ],
      "body/owner is not a known field",
    ],
    [
      "an unknown field at the end",
      [
        ["path", "x"],
        ["file", "x", "x"],
        ["owner", "7"],
      ],
      "body/owner is not a known field",
    ],
    [
      "a second path at the end",
      [
        ["path", "x"],
        ["file", "x", "x"],
        ["path", "y"],
      ],
      "body/path must be given once",
    ],
    [
      "a user after the file",
      [
        ["path", "x"],
        ["file", "x", "x"],
        ["user", "u"],
      ],
      "before body/file",
    ],
    [
      "a bad user",
      [
        ["path", "x"],
        ["user", "a:b"],
        ["file", "x", "x"],
      ],
      "body/user must be the name of a user",
    ],
    [
      "a prototype",
      [
        ["__proto__", "x"],
        ["path", "x"],
        ["file", "x", "x"],
      ],
      "",
    ],
  ])("refuses %s and writes nothing", async (_name, parts, message) => {
    const before = await filesInGuest();
    const error = await errorOf(await upload(route, parts));
    expect(error).toMatchObject({ status: 400, code: "invalid_request" });
    expect(error.message).toContain(message);
    await expect.poll(temporariesInGuest).toEqual([]);
    expect(await filesInGuest()).toEqual(before);
  });

  it("refuses bodies that are no form", async () => {
    for (const [body, type] of [
      ["{}", "application/json"],
      ["x", "text/plain"],
      ["x", "multipart/form-data"],
      ["x", "multipart/form-data; boundary=b"],
      ["", "multipart/form-data; boundary=b"],
    ] as const) {
      expect(await errorOf(await raw(route, Buffer.from(body), type))).toMatchObject({ status: 400 });
    }
  });

  it("never writes part of a form that ends early", async () => {
    const bytes = randomBytes(200_000);
    const { body, type } = form([
      ["path", `cut-${route.length}`],
      ["file", bytes, "x"],
    ]);
    const before = await filesInGuest();
    for (const length of [10, 80, 100_000, body.length - 20, body.length - 3]) {
      expect((await raw(route, body.subarray(0, length), type)).status).toBe(400);
    }
    await expect.poll(temporariesInGuest).toEqual([]);
    expect(await filesInGuest()).toEqual(before);
  });

  it("never writes part of an upload whose client leaves", async () => {
    const before = await filesInGuest();
    const { body, type } = form([
      ["path", "left"],
      ["file", randomBytes(1_000_000), "x"],
    ]);
    const { hostname, port } = new URL(stack.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write(
      `POST /v1/sandboxes/${id}/files/${route} HTTP/1.1\r\nHost: ${hostname}\r\nX-API-Key: ${stack.apiKey}\r\n` +
        `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, 500_000));
    await expect.poll(temporariesInGuest).toHaveLength(1);
    socket.destroy();
    await expect.poll(temporariesInGuest).toEqual([]);
    expect(await filesInGuest()).toEqual(before);
  });

  it("says that the host left in the middle, and that a sandbox does not run", async () => {
    let feed: ReadableStreamDefaultController | undefined;
    const body = new ReadableStream({
      start(controller) {
        feed = controller;
        controller.enqueue(form([["path", "orphan"]]).body.subarray(0, -"--boundary--\r\n".length));
        controller.enqueue(Buffer.from('--boundary\r\nContent-Disposition: form-data; name="file"\r\n\r\nfirst'));
      },
    });
    const answer = raw(route, body, "multipart/form-data; boundary=boundary");
    await expect.poll(temporariesInGuest).toHaveLength(1);
    await stack.host.hangUp();
    feed?.enqueue(Buffer.from("\r\n--boundary--\r\n"));
    feed?.close();
    expect(await errorOf(await answer)).toMatchObject({ status: 503, code: "host_unavailable" });
    await stack.host.listen();
    await expect.poll(temporariesInGuest).toEqual([]);
    expect(await filesInGuest()).not.toContain("orphan");
    const parts: Part[] = [
      ["path", "x"],
      ["file", "x", "x"],
    ];
    expect((await upload(route, parts)).status).toBe(204);
    stack.host.guest(id).status = "paused";
    expect(await errorOf(await upload(route, parts))).toMatchObject({ status: 409, code: "invalid_state" });
    // The pause has been noted by that.
    expect((await stack.call("POST", `/v1/sandboxes/${id}/resume`)).status).toBe(200);
    expect((await upload(route, parts)).status).toBe(204);
  });

  it("survives any bytes in place of a form", async () => {
    const before = await filesInGuest();
    const { body, type } = form([
      ["path", "fuzz"],
      ["file", "content", "x"],
    ]);
    const mutation = fc.record({
      at: fc.nat(body.length - 1),
      bytes: fc.uint8Array({ maxLength: 8 }),
      cut: fc.nat(20),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        let mutated = body;
        for (const { at, bytes, cut } of mutations) {
          mutated = Buffer.concat([mutated.subarray(0, at), bytes, mutated.subarray(at + cut)]);
        }
        const status = (await raw(route, mutated, type)).status;
        expect([204, 400, 413]).toContain(status);
      }),
      { seed: 20_260_821, numRuns: 60 },
    );
    expect((await post("read", { path: "a.bin" })).status).toBe(200);
    expect((await filesInGuest()).length).toBeGreaterThanOrEqual(before.length);
  });
});

describe("size limits", () => {
  const tooLarge = LIMITS.uploadBytes + 1;
  const head = Buffer.from(
    '--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nlarge\r\n' +
      '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n',
  );
  const headFileFirst = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n');
  const tail = Buffer.from("\r\n--b--\r\n");
  const tailWithPath = Buffer.from('\r\n--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nlarge\r\n--b--\r\n');

  /** A body of unknown length. */
  const chunked = (first: Buffer, bytes: number, last: Buffer) =>
    ReadableStream.from(
      (function* () {
        yield first;
        for (let left = bytes; left > 0; left -= 1024 * 1024) yield Buffer.alloc(Math.min(left, 1024 * 1024), "x");
        yield last;
      })(),
    );

  it("refuses a large body by its length, at once", async () => {
    const body = Buffer.concat([head, Buffer.alloc(tooLarge), tail]);
    const response = await raw("write", body, "multipart/form-data; boundary=b");
    expect(await errorOf(response)).toMatchObject({ status: 413, code: "too_large" });
    expect(await filesInGuest()).not.toContain("large");
  });

  it("refuses a large body of unknown length, and the connection stays usable", async () => {
    const response = await raw("write", chunked(head, tooLarge, tail), "multipart/form-data; boundary=b");
    expect(await errorOf(response)).toMatchObject({ status: 413, code: "too_large" });
    await expect.poll(temporariesInGuest).toEqual([]);
    expect(await filesInGuest()).not.toContain("large");
    expect((await post("read", { path: "a.bin" })).status).toBe(200);
  });

  it("takes a file of any size through stream/write, but only with the path first", async () => {
    const type = "multipart/form-data; boundary=b";
    expect((await raw("stream/write", chunked(head, tooLarge, tail), type)).status).toBe(204);
    expect((await stat(inGuest("large"))).size).toBe(tooLarge);
    const error = await errorOf(await raw("stream/write", chunked(headFileFirst, tooLarge, tailWithPath), type));
    expect(error).toMatchObject({ status: 413, code: "too_large" });
    expect(await readdir(join(stack.config.dataDir, "spool"))).toEqual([]);
  });
});

describe.each(["read", "stream/read"])("files/%s", (route) => {
  it("gives back the bytes of a file and their number", async () => {
    const bytes = randomBytes(3_000_001);
    await writeFile(inGuest("big"), bytes);
    const response = await post(route, { path: "big" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("content-length")).toBe(String(bytes.length));
    const digest = createHash("sha256").update(Buffer.from(await response.arrayBuffer()));
    expect(digest.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it("says what is wrong", async () => {
    expect(await errorOf(await post(route, { path: "nope" }))).toMatchObject({ status: 404, code: "file_not_found" });
    expect(await errorOf(await post(route, {}))).toMatchObject({ status: 400, message: "body/path is required" });
    expect(await errorOf(await post(route, { path: "a", mode: 1 }))).toMatchObject({
      status: 400,
      message: "body/mode is not a known field",
    });
  });

  it("breaks the answer when the host leaves in the middle, so that nobody takes half for the whole", async () => {
    await writeFile(inGuest("huge"), Buffer.alloc(64 * 1024 * 1024));
    const response = await post(route, { path: "huge" });
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    await reader.read();
    await stack.host.hangUp();
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toThrow();
    await stack.host.listen();
  });

  it("stops to read when the client leaves", async () => {
    const client = new AbortController();
    const response = await post(route, { path: "huge" }, { signal: client.signal });
    await response.body!.getReader().read();
    client.abort();
    expect((await post(route, { path: "a.bin" })).status).toBe(200);
  });
});
