import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { GuestClient } from "./client.ts";

it("ends every call, under way or to come, once the microVM is gone", async () => {
  // Takes requests and never answers, as a guest that has lost its VMM does.
  const server = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new GuestClient("127.0.0.1", (server.address() as AddressInfo).port, "token");
  const gone = { code: "guest_unreachable" };
  const command = { cmd: "true", args: [], env: {}, timeoutMs: 0, stdin: false };
  const received = once(server, "request");
  const freeze = expect(client.freeze()).rejects.toMatchObject(gone);
  await received;
  const run = expect(client.commands.run(command).next()).rejects.toMatchObject(gone);
  client.close();
  await Promise.all([freeze, run]);
  await expect(client.unfreeze()).rejects.toMatchObject(gone);
  await expect(client.commands.run(command).next()).rejects.toMatchObject(gone);
  server.closeAllConnections();
  server.close();
});
