import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { LIMITS } from "@warren/contracts/limits";
import type { ErrorBody } from "@warren/contracts/rest/error";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateApiKey, hashApiKey } from "../../api-keys/api-key.ts";
import { createDatabase, type TestDatabase } from "../../database/testing/test-database.ts";
import { createLogger } from "../../logging.ts";
import { LogLines } from "../../testing/log-lines.ts";
import { answerOn, connectTo, exchange } from "../../testing/raw-http.ts";
import { TestStack } from "../../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
const log = new LogLines();
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database, { log: createLogger("info", log) });
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const HOST = "Host: localhost\r\n";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

describe("every error answer is of the catalogue", () => {
  it.each([
    [
      "a path that is not UTF-8",
      400,
      "invalid_request",
      `GET /v1/sandboxes/%ff HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    ],
    [
      "a path that is no percent-encoding",
      400,
      "invalid_request",
      `GET /v1/sandboxes/%zz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    ],
    ...["../x", "%2e%2e/x", "..\\x", "%00", "a".repeat(5000), ".git"].map((path): [string, number, string, string] => [
      `a file of the documentation named ${path.slice(0, 20)}`,
      404,
      "not_found",
      `GET /docs/static/${path} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    ]),
    [
      "a long path parameter",
      400,
      "invalid_request",
      `GET /v1/sandboxes/${"a".repeat(300)} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    ],
    ["no HTTP at all", 400, "invalid_request", "hello\r\n\r\n"],
    ["TLS", 400, "invalid_request", Buffer.from("16030100c8010000c40303", "hex")],
    ["a method that is unknown", 501, "method_not_implemented", `HELLO / HTTP/1.1\r\n${HOST}\r\n`],
    ["a method in small letters", 501, "method_not_implemented", `get / HTTP/1.1\r\n${HOST}\r\n`],
    [
      "a method that is unknown after a request",
      501,
      "method_not_implemented",
      `GET /health HTTP/1.1\r\n${HOST}\r\nHELLO / HTTP/1.1\r\n${HOST}\r\n`,
    ],
    ["no method", 400, "invalid_request", `H@LLO / HTTP/1.1\r\n${HOST}\r\n`],
    ["an old version", 400, "invalid_request", `GET / HTTP/9.9\r\n${HOST}\r\n`],
    ["a header that is not valid", 400, "invalid_request", `GET /health HTTP/1.1\r\n${HOST}a b: c\r\n\r\n`],
    [
      "two lengths",
      400,
      "invalid_request",
      `POST /v1/auth/login HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    ],
    [
      "headers that are too large",
      431,
      "headers_too_large",
      `GET /health HTTP/1.1\r\n${HOST}a: ${"b".repeat(20_000)}\r\n\r\n`,
    ],
    ["a path that is too long", 431, "headers_too_large", `GET /${"b".repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`],
    ["no host", 400, "invalid_request", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["a proxy's method", 501, "method_not_implemented", `CONNECT example.org:443 HTTP/1.1\r\n${HOST}\r\n`],
    [
      "an expectation",
      400,
      "invalid_request",
      `POST /v1/auth/login HTTP/1.1\r\n${HOST}Expect: wonders\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    [
      "a WebSocket handshake without a key",
      400,
      "invalid_request",
      `GET /v1/sandboxes/sb${"a".repeat(20)}/exec/stream HTTP/1.1\r\n${HOST}X-API-Key: KEY\r\n${UPGRADE}Sec-WebSocket-Version: 13\r\n\r\n`,
    ],
    [
      "a WebSocket handshake of another version",
      400,
      "invalid_request",
      `GET /v1/sandboxes/sb${"a".repeat(20)}/exec/stream HTTP/1.1\r\n${HOST}X-API-Key: KEY\r\n${UPGRADE}${KEY.replace("13", "99")}\r\n`,
    ],
    ["a WebSocket where there is nothing", 404, "not_found", `GET /nowhere HTTP/1.1\r\n${HOST}${UPGRADE}${KEY}\r\n`],
    [
      "a broken chunk",
      400,
      "invalid_request",
      `POST /v1/auth/login HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n`,
    ],
  ])("%s: %i %s", async (_name, status, code, bytes) => {
    const request = typeof bytes === "string" ? bytes.replace("X-API-Key: KEY", `X-API-Key: ${stack.apiKey}`) : bytes;
    const answer = await exchange(stack.url, request);
    expect([answer.status, answer.headers["content-type"]]).toEqual([status, "application/json; charset=utf-8"]);
    expect(JSON.parse(answer.body)).toEqual({ error: { code, message: expect.stringMatching(/\w{3}/) } });
  });

  it("an upgrade to what this server does not speak is ignored", async () => {
    const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    const socket = await connectTo(stack.url);
    socket.write(`GET /health HTTP/1.1\r\n${HOST}${h2c}\r\n`);
    const [head] = (await once(socket, "data")) as [Buffer];
    expect(String(head)).toMatch(/^HTTP\/1.1 200 /);
    socket.destroy();
  });

  it("a method that a path does not take: 405, with those that it takes", async () => {
    for (const [method, path, allow] of [
      ["DELETE", "/v1/sandboxes", "GET, HEAD, POST"],
      ["PUT", `/v1/sandboxes/sb${"a".repeat(20)}/ping`, "POST"],
      ["GET", "/v1/auth/login", "POST"],
      ["OPTIONS", "/health", "GET, HEAD"],
      ["PROPFIND", "/health", "GET, HEAD"],
      ["QUERY", "/v1/sandboxes", "GET, HEAD, POST"],
    ] as const) {
      const answer = await exchange(stack.url, `${method} ${path}?x=1 HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
      expect([method, path, answer.status, answer.headers.allow]).toEqual([method, path, 405, allow]);
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: "method_not_allowed" } });
    }
    expect((await fetch(`${stack.url}/v1/nothing`, { method: "DELETE" })).status).toBe(404);
  });
});

describe("a body of a type that a route does not take", () => {
  it.each([
    ["/v1/sandboxes", "application/x-www-form-urlencoded", "application/json"],
    ["/v1/sandboxes", "text/plain", "application/json"],
    ["/v1/sandboxes/ID/exec", "multipart/form-data; boundary=x", "application/json"],
    ["/v1/sandboxes/ID/files/read", "multipart/form-data; boundary=x", "application/json"],
    ["/v1/sandboxes/ID/files/write", "application/json", "multipart/form-data"],
    ["/v1/sandboxes/ID/files/stream/write", "application/octet-stream", "multipart/form-data"],
  ])("is refused by %s as %s, and the message says that it takes %s", async (path, type, taken) => {
    const { id } = await stack.createSandbox();
    const init = { body: "{}", headers: { "content-type": type } };
    const answer = await stack.call("POST", path.replace("ID", id), undefined, init);
    const { error } = (await answer.json()) as ErrorBody;
    expect([answer.status, error.code, error.message]).toEqual([
      400,
      "invalid_request",
      `the body must be ${taken}, and its content-type says ${type.split(";")[0]}`,
    ]);
  });

  it("is that of one without a type, too", async () => {
    const body = `${HOST}X-API-Key: ${stack.apiKey}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`;
    const answer = await exchange(stack.url, `POST /v1/sandboxes HTTP/1.1\r\n${body}`);
    expect(JSON.parse(answer.body).error.message).toBe("the body must be application/json, and has no content-type");
  });
});

describe("a body that is compressed", () => {
  it.each([
    ["/v1/sandboxes", "application/json"],
    ["/v1/sandboxes/ID/files/write", "multipart/form-data; boundary=x"],
  ])("is refused by %s", async (path, type) => {
    const { id } = await stack.createSandbox();
    const send = (encoding: string) => {
      const headers = { "content-type": type, "content-encoding": encoding };
      return stack.call("POST", path.replace("ID", id), undefined, { body: gzipSync("{}"), headers });
    };
    const answer = await send("gzip");
    const { error } = (await answer.json()) as ErrorBody;
    expect([answer.status, error.code, answer.headers.get("accept-encoding")]).toEqual([
      415,
      "unsupported_encoding",
      "identity",
    ]);
    expect(error.message).toContain("gzip");
    // Which is none.
    expect((await send("identity")).status).toBe(400);
  });
});

describe("text that is not Unicode changes nothing", () => {
  const post = (path: string, body: Buffer | string, type: string) =>
    stack.call("POST", path, undefined, { body, headers: { "content-type": type } } as RequestInit);

  it("as bytes of a JSON body or an escape in it", async () => {
    const { id } = await stack.createSandbox();
    for (const path of ["\xff", "\\ud800", "a\\udc00b"]) {
      const body = Buffer.from(`{"path":"${path}"}`, "latin1");
      const answer = await post(`/v1/sandboxes/${id}/files/read`, body, "application/json");
      expect([path, answer.status, await answer.json()]).toMatchObject([
        path,
        400,
        { error: { code: "invalid_request" } },
      ]);
    }
    const pair = await post(`/v1/sandboxes/${id}/files/read`, '{"path":"\\ud83d\\ude00"}', "application/json");
    expect(pair.status).toBe(404);
  });

  it("as the path of an upload", async () => {
    const { id } = await stack.createSandbox();
    const form = Buffer.concat([
      Buffer.from('--x\r\nContent-Disposition: form-data; name="path"\r\n\r\na'),
      Buffer.from([0xff]),
      Buffer.from('\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nhello\r\n--x--\r\n'),
    ]);
    const answer = await post(`/v1/sandboxes/${id}/files/write`, form, "multipart/form-data; boundary=x");
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "invalid_request" } }]);
  });

  it.each([
    ["bytes", 'filename="a\xff"'],
    ["bytes that are escaped", "filename*=utf-8''a%ff"],
    ["half of a surrogate pair", "filename*=utf-16le''%00%d8"],
  ])("as the name that a form gives a file: %s", async (_name, filename) => {
    const { id } = await stack.createSandbox();
    const write = (fields: string) => {
      const file = `--x\r\nContent-Disposition: form-data; name="file"; ${filename}\r\n\r\nhello\r\n--x--\r\n`;
      const form = Buffer.from(`${fields}${file}`, "latin1");
      return post(`/v1/sandboxes/${id}/files/write`, form, "multipart/form-data; boundary=x");
    };
    const field = (name: string, value: string) =>
      `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const answer = await write(field("path", "./"));
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "invalid_request" } }]);
    expect(await readdir(stack.host.guest(id).directory)).toEqual([]);
    expect((await write(field("path", "./") + field("name", "good"))).status).toBe(204);
    expect(await readdir(stack.host.guest(id).directory)).toEqual(["good"]);
  });
});

describe("keys that no object may have", () => {
  it.each(['{"env":{"__proto__":"x"}}', '{"metadata":{"constructor":{"prototype":{}}}}'])(
    "are named in the refusal of %s",
    async (body) => {
      const answer = await stack.call("POST", "/v1/sandboxes", undefined, {
        body,
        headers: { "content-type": "application/json" },
      });
      const { error } = (await answer.json()) as ErrorBody;
      expect([answer.status, error.code]).toEqual([400, "invalid_request"]);
      expect(error.message).toMatch(/key.*"__proto__".*"constructor"/);
    },
  );
});

describe("a client that leaves", () => {
  /** Lines of the log about one path. */
  const linesOf = (path: string) => log.lines.filter((line) => line.path === path);

  it("in the middle of a download writes one line, which is no error", async () => {
    const { id } = await stack.createSandbox();
    const path = `/v1/sandboxes/${id}/files/read`;
    const form = new FormData();
    form.append("path", "big");
    form.append("file", new Blob([Buffer.alloc(LIMITS.uploadBytes / 4)]));
    expect((await stack.call("POST", `/v1/sandboxes/${id}/files/write`, form)).status).toBe(204);
    const before = log.lines.length;
    for (let round = 0; round < 3; round++) {
      const socket = await connectTo(stack.url);
      const body = '{"path":"big"}';
      const head = `${HOST}X-API-Key: ${stack.apiKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
      socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n${body}`);
      await once(socket, "data");
      socket.resetAndDestroy();
      await log.until(() => linesOf(path).length > round);
    }
    expect((await stack.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
    await log.until(() => linesOf(`/v1/sandboxes/${id}`).length > 0);
    const written = log.lines.slice(before);
    expect(written.filter(({ level }) => (level as number) > 30)).toEqual([]);
    expect(written.map(({ msg }) => msg)).toEqual([
      ...Array(3).fill("the client left before its answer was complete"),
      "request",
    ]);
  });

  it("during a command or an upload makes no 500", async () => {
    const { id } = await stack.createSandbox();
    const before = log.lines.length;
    const exec = '{"cmd":"sleep","args":["100"]}';
    const requests: [string, string][] = [
      [`/v1/sandboxes/${id}/exec`, `Content-Type: application/json\r\nContent-Length: ${exec.length}\r\n\r\n${exec}`],
      [`/v1/sandboxes/${id}/ping`, "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"],
      [
        `/v1/sandboxes/${id}/files/write`,
        'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\nContent-Disposition: form-data; name="path"\r\n\r\na\r\n--x\r\n',
      ],
    ];
    for (const [path, rest] of requests) {
      const socket = await connectTo(stack.url);
      await new Promise<void>((sent) =>
        socket.write(`POST ${path} HTTP/1.1\r\n${HOST}X-API-Key: ${stack.apiKey}\r\n${rest}`, () => sent()),
      );
      if (path.endsWith("exec")) await expect.poll(() => stack.host.guest(id).processes.size).toBe(1);
      socket.resetAndDestroy();
      await log.until(() => linesOf(path).length > 0);
    }
    const written = log.lines.slice(before);
    expect(written.map(({ level, path }) => [level, path])).toEqual(requests.map(([path]) => [30, path]));
  });

  it("with its body while its key is looked up writes one line, too", async () => {
    const { id } = await stack.createSandbox();
    const path = `/v1/sandboxes/${id}/ping`;
    const admin = new pg.Client({ connectionString: database.config.databaseUrl });
    await admin.connect();
    try {
      const key = generateApiKey();
      await admin.query(
        "insert into team_api_keys (id, team_id, key_hash) select gen_random_uuid(), id, $1 from teams limit 1",
        [hashApiKey(key)],
      );
      await admin.query("begin");
      await admin.query("lock table teams in access exclusive mode");
      const socket = await connectTo(stack.url);
      const head = `${HOST}X-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n`;
      socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n{`);
      const waits = "select 1 from pg_locks where not granted and relation = 'teams'::regclass";
      await expect.poll(async () => (await admin.query(waits)).rowCount).toBe(1);
      socket.resetAndDestroy();
      // What comes after the reset is answered after it was noticed.
      for (let round = 0; round < 2; round++) expect((await fetch(`${stack.url}/health`)).status).toBe(200);
      await admin.query("rollback");
      await expect.poll(() => linesOf(path)).toMatchObject([{ level: 30 }]);
    } finally {
      await admin.end();
    }
  });

  it("is not told apart by a broken request that follows a good one", async () => {
    const socket = await connectTo(stack.url);
    socket.write(`GET /health HTTP/1.1\r\n${HOST}\r\n`);
    await once(socket, "data");
    socket.write("nonsense\r\n\r\n");
    expect(JSON.parse((await answerOn(socket)).body)).toMatchObject({ error: { code: "invalid_request" } });
  });
});
