import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Writable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isWorthRelaying, RelayAgent, relayBody } from "./body-relay.ts";

const bytes = randomBytes(7_000_001);

let server: http.Server;
let agent: RelayAgent;
/** What the server answers. */
let answer: RequestListener;

beforeEach(async () => {
  server = http.createServer((request, response) => answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  agent = new RelayAgent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function get(): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, agent }, resolve).on("error", reject);
  });
}

/** Collects what it is given, and asks for more some turns of the event loop after it was given the last. */
class Collector extends Writable {
  readonly #parts: Buffer[] = [];
  readonly #turns: number;

  constructor(turns: number) {
    super({ highWaterMark: 1 });
    this.#turns = turns;
  }

  get content(): Buffer {
    return Buffer.concat(this.#parts);
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    let turns = this.#turns;
    // What is written belongs to the writer again only when this is done with it.
    const later = () => {
      if (turns-- > 0) return void setImmediate(later);
      this.#parts.push(Buffer.from(chunk));
      done();
    };
    later();
  }
}

it.each([0, 1, 20])("moves a large body as it is to a destination that takes %i turns for a piece", async (turns) => {
  answer = (_request, response) => response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  const response = await get();
  expect(isWorthRelaying(response)).toBe(true);
  const collector = new Collector(turns);
  await relayBody(response, collector);
  expect(collector.content.equals(bytes)).toBe(true);
});

it("moves a large body that comes in pieces of all sizes", async () => {
  answer = async (_request, response) => {
    response.writeHead(200, { "content-length": bytes.length });
    for (let at = 0, size = 1; at < bytes.length; at += size, size = ((size * 7) % 300_007) + 1) {
      if (!response.write(bytes.subarray(at, at + size))) await once(response, "drain");
    }
    response.end();
  };
  const collector = new Collector(0);
  await relayBody(await get(), collector);
  expect(collector.content.equals(bytes)).toBe(true);
});

it("moves what had arrived before it was asked to", async () => {
  answer = (_request, response) => response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  const response = await get();
  // The response stops to take from its connection when it is full.
  await expect.poll(() => response.readableLength).toBeGreaterThanOrEqual(response.readableHighWaterMark);
  await new Promise((resolve) => setImmediate(resolve));
  const collector = new Collector(0);
  await relayBody(response, collector);
  expect(collector.content.equals(bytes)).toBe(true);
});

it("moves bodies that are small or of unknown length, on one connection", async () => {
  const connections = new Set<number | undefined>();
  answer = (request, response) => {
    connections.add(request.socket.remotePort);
    if (request.url === "/") response.flushHeaders();
    response.end(bytes.subarray(0, 100_000));
  };
  for (let round = 0; round < 3; round++) {
    const response = await get();
    expect(isWorthRelaying(response)).toBe(false);
    const collector = new Collector(1);
    await relayBody(response, collector);
    await new Promise<void>((finished) => collector.end(finished));
    expect(collector.content.equals(bytes.subarray(0, 100_000))).toBe(true);
  }
  expect(connections.size).toBe(1);
});

it("reads no further than a few pieces ahead of its destination", async () => {
  let sent = 0;
  answer = (_request, response) => {
    response.writeHead(200, { "content-length": 1e12 });
    const more = () => {
      do sent += bytes.length;
      while (!response.destroyed && response.write(bytes));
      response.once("drain", more);
    };
    more();
  };
  let taken = 0;
  const stuck = new Writable({
    write(chunk) {
      taken += chunk.length;
    },
  });
  const response = await get();
  const moved = expect(relayBody(response, stuck)).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  await expect.poll(() => stuck.writableLength).toBeGreaterThan(0);
  let before: number;
  do {
    before = sent;
    await expect.poll(() => response.socket.bytesRead).toBeGreaterThan(0);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  } while (sent > before);
  expect(stuck.writableLength).toBeLessThan(2 * 1024 * 1024);
  expect(taken).toBeLessThanOrEqual(stuck.writableLength);
  stuck.destroy();
  await moved;
});

it.each(["end", "resetAndDestroy"] as const)("fails when the body breaks off by %s", async (how) => {
  answer = (_request, response) => {
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 3_000_000), () => response.socket?.[how]());
  };
  const destination = new PassThrough().resume();
  await expect(relayBody(await get(), destination)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(destination.destroyed).toBe(true);
  expect(destination.writableEnded).toBe(false);
});

it.each([true, false])("hangs up when its destination is closed; before it began: %s", async (before) => {
  const left = new Promise<void>((resolve) => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 2_000_000));
      response.once("close", resolve);
    };
  });
  const destination = new PassThrough();
  const response = await get();
  if (before) await once(destination.destroy(), "close");
  const moved = expect(relayBody(response, destination)).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  destination.destroy();
  await Promise.all([moved, left]);
});
