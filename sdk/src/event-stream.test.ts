import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { StreamedEvent } from "./event-stream.ts";
import { Warren } from "./warren.ts";

/** A client of a server that answers one request after the other as `answers` say, the last one again and again. */
async function serve(...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    answers[Math.min(asked.length, answers.length) - 1]!(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const warren = new Warren({ url: `http://127.0.0.1:${port}`, apiKey: "warren_key", retry: { attempts: 1 } });
  return { warren, asked };
}

const stream = (text: string) => (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`retry: 1\n\n${text}`);
};
const ended = (text: string) => (response: ServerResponse) => {
  stream(text)(response);
  response.end();
};
const refused = (status: number, code: string) => (response: ServerResponse) =>
  response.writeHead(status).end(JSON.stringify({ error: { code, message: "no" } }));

const READY = 'id: a\nevent: ready\ndata: {"types":["sandbox"],"resumed":false}\n\n';
const change = (id: string, position: string) =>
  `id: ${position}\nevent: sandbox\ndata: {"type":"sandbox","action":"changed","id":"${id}"}\n\n`;

async function take(events: AsyncIterable<StreamedEvent>, count: number): Promise<StreamedEvent[]> {
  const taken: StreamedEvent[] = [];
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

describe("client.events()", () => {
  test("goes on where it was when the server restarts or the connection breaks, and says ready once", async () => {
    const { warren, asked } = await serve(
      ended(READY + change("one", "b")),
      refused(503, "server_stopping"),
      (response) => {
        stream(`${READY}id: c\n\n`)(response);
        setImmediate(() => response.destroy());
      },
      stream(change("two", "d")),
    );
    expect(await take(warren.events({ types: ["sandbox"] }), 3)).toEqual([
      { type: "ready", types: ["sandbox"], resumed: false, position: "a" },
      { type: "sandbox", action: "changed", id: "one", position: "b" },
      { type: "sandbox", action: "changed", id: "two", position: "d" },
    ]);
    expect(asked).toEqual([
      "/v1/events?types=sandbox",
      "/v1/events?types=sandbox&after=b",
      "/v1/events?types=sandbox&after=b",
      // A sign of life has moved it on.
      expect.stringMatching(/after=[ac]$/),
    ]);
  });

  test.each([
    [401, "unauthorized"],
    [403, "account_deactivated"],
    [421, "misdirected_request"],
  ])("ends with the error when the caller may no longer look: %s %s", async (status, code) => {
    const { warren } = await serve(ended(READY), refused(status, code));
    const events = warren.events();
    await events.next();
    await expect(events.next()).rejects.toMatchObject({ code });
  });

  test("goes on when the server had no time for it", async () => {
    const { warren } = await serve(
      ended(READY),
      refused(429, "rate_limited"),
      refused(408, "request_timeout"),
      stream(change("one", "b")),
    );
    expect(await take(warren.events(), 2)).toMatchObject([{ type: "ready" }, { id: "one" }]);
  });

  test("fails at once when there is no such server", async () => {
    const warren = new Warren({ url: "http://127.0.0.1:9", apiKey: "warren_key", retry: { attempts: 1 } });
    await expect(warren.events().next()).rejects.toMatchObject({ code: "server_unreachable" });
  });

  test("ends when it is aborted, also while it waits for the server to come back", async () => {
    const abort = new AbortController();
    const { warren } = await serve(stream(READY));
    const events = warren.events({ signal: abort.signal });
    await events.next();
    const next = events.next();
    abort.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
  });

  test("takes lines of any kind in any pieces, and gives up a line without end", async () => {
    const { promise: broken, resolve } = Promise.withResolvers<void>();
    const { warren, asked } = await serve(
      (response) => {
        response.on("close", resolve);
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`retry: 1\r\n: a sign of life\r\n\r\nid: a\rodd: ${"x".repeat(1e6)}\revent: sandbox\r`);
        response.write(`data: {"type":"sandbox",\ndata:"id":"ü`);
        response.write(`one"}\n\ndata: ${"x".repeat(9e6)}`);
        response.write("x".repeat(9e6));
      },
      stream(change("two", "b")),
    );
    expect(await take(warren.events({ after: "0" }), 2)).toMatchObject([
      { type: "sandbox", id: "üone", position: "a" },
      { type: "sandbox", id: "two", position: "b" },
    ]);
    await broken;
    expect(asked).toEqual(["/v1/events?after=0", "/v1/events?after=a"]);
  });

  test("breaks the connection when its consumer leaves", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    const { warren } = await serve((response) => {
      response.on("close", resolve);
      stream(READY)(response);
    });
    await take(warren.events(), 1);
    await left;
  });
});
