import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { GuestConnections } from "./connections.ts";
import { GuestInput } from "./input.ts";
import { GuestRequests } from "./requests.ts";

const server = createServer();
const connections = new GuestConnections();
afterEach(() => {
  server.closeAllConnections();
  server.close();
  server.removeAllListeners("checkContinue");
});

async function open(listener: RequestListener): Promise<GuestInput | number> {
  server.on("checkContinue", listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const requests = new GuestRequests("127.0.0.1", port, "", connections);
  const { request, answer } = requests.open({ method: "POST", path: "/input", headers: { expect: "100-continue" } });
  return GuestInput.open(request, answer);
}

test("what is written arrives in order, and no faster than it is read", async () => {
  const read = Promise.withResolvers<void>();
  const body: Buffer[] = [];
  const input = (await open(async (incoming, response) => {
    response.writeContinue();
    await read.promise;
    for await (const part of incoming) body.push(part as Buffer);
    response.writeHead(204).end();
  })) as GuestInput;
  const piece = Buffer.alloc(1 << 20, "x");
  let written = 0;
  const writing = (async () => {
    for (; written < 64; written++) expect(await input.write(piece)).toBe(true);
  })();
  await expect.poll(() => written).toBeGreaterThan(0);
  expect(written).toBeLessThan(64);
  read.resolve();
  await writing;
  await input.end();
  expect(Buffer.concat(body).length).toBe(64 * piece.length);
});

test("a guest agent that does not know the request, or takes no more, is told apart from one that is gone", async () => {
  expect(await open((_, response) => response.writeHead(404).end())).toBe(404);
});

test("writing to a guest that is gone fails", async () => {
  await expect(open((incoming) => incoming.destroy())).rejects.toThrow();
});
