import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { exchange } from "../testing/raw-http.ts";
import { TestStack } from "../testing/test-stack.ts";

/** Like an id, of no sandbox. */
const NOT_PRESENT = `sb${"a".repeat(20)}`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const NO_LENGTH = "";
const NO_BYTES = "Content-Length: 0\r\n";
const JSON_TYPE = "Content-Type: application/json\r\n";
const FORM_TYPE = "Content-Type: multipart/form-data; boundary=x\r\n";
const OTHER_TYPE = "Content-Type: application/octet-stream\r\n";

describe("requests without a body", () => {
  let database: TestDatabase;
  let stack: TestStack;
  let sandbox: string;
  beforeAll(async () => {
    database = await createDatabase();
    stack = await TestStack.start(database);
    sandbox = (await stack.createSandbox()).id;
  });
  afterAll(async () => {
    await stack?.close();
    await database?.remove();
  });

  const head = (line: string, headers: string) =>
    `${line} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${stack.apiKey}\r\n${headers}\r\n`;

  it.each([
    ["ping", NO_LENGTH, 204],
    ["ping", NO_BYTES, 204],
    ["ping", JSON_TYPE, 400],
    ["ping", JSON_TYPE + NO_BYTES, 400],
    ["ping", OTHER_TYPE, 400],
    ["exec", NO_LENGTH, 400],
    ["exec", JSON_TYPE, 400],
    ["exec", JSON_TYPE + NO_BYTES, 400],
    ["exec", OTHER_TYPE, 400],
    ["exec", OTHER_TYPE + NO_BYTES, 400],
    ["exec", FORM_TYPE, 400],
    ["files/write", NO_LENGTH, 400],
    ["files/write", FORM_TYPE, 400],
    ["files/write", FORM_TYPE + NO_BYTES, 400],
    ["files/write", JSON_TYPE, 400],
    ["files/stream/write", FORM_TYPE, 400],
  ])("POST %s with %j is answered with %i", { timeout: 20_000 }, async (call, headers, status) => {
    const answer = await exchange(
      stack.url,
      head(`POST /v1/sandboxes/${sandbox}/${call}`, `${headers}Connection: close\r\n`),
    );
    expect(answer.status, answer.body).toBe(status);
  });

  it.each(["GET", "DELETE", "PATCH", "PUT", "QUERY", "OPTIONS"])(
    "%s with a type is answered",
    { timeout: 20_000 },
    async (method) => {
      for (const type of [JSON_TYPE, FORM_TYPE, OTHER_TYPE]) {
        const answer = await exchange(
          stack.url,
          head(`${method} /v1/sandboxes/${NOT_PRESENT}`, `${type}Connection: close\r\n`),
        );
        expect(answer.status, answer.body).toBeGreaterThanOrEqual(400);
        expect(answer.status, answer.body).toBeLessThan(500);
      }
    },
  );

  it("are answered in order with others on their connection", { timeout: 20_000 }, async () => {
    const body = JSON.stringify({ cmd: "true" });
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const answer = await exchange(
      stack.url,
      [
        head(`POST /v1/sandboxes/${sandbox}/ping`, ""),
        head("GET /health", JSON_TYPE),
        head("POST /v1/nothing", JSON_TYPE + CHUNKED) + chunked,
        head("GET /v1/sandboxes/x", ""),
        head("GET /health", "Content-Length: 2\r\n"),
        "{}",
        head("GET /health", "Connection: close\r\n"),
      ].join(""),
    );
    const all = `${answer.head.join("\r\n")}\r\n\r\n${answer.body}`;
    expect([...all.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)).toEqual([
      "204",
      "200",
      "404",
      "404",
      "200",
      "200",
    ]);
  });
});
