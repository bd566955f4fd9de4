import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { expect, it } from "vitest";
import { listenAtSocket } from "../http/testing/listen-locally.ts";
import { createHostClient } from "./host-client.ts";
import { fromRpcError } from "./rpc-errors.ts";

it("survives that it is closed while the host ends the connection", async () => {
  const routes = connectNodeAdapter({
    routes: (router) => router.service(HostAgentService, { listSandboxes: () => ({ sandboxes: [] }) }),
  });
  for (let round = 0; round < 20; round++) {
    const server = createServer(routes);
    const sessions: ServerHttp2Session[] = [];
    server.on("session", (session) => sessions.push(session));
    const client = createHostClient(await listenAtSocket(server));
    expect((await client.agent.listSandboxes({})).sandboxes).toEqual([]);
    const ended = once(server, "close");
    for (const session of sessions) session.close();
    server.close();
    // Closed in each of the turns in which the end of the connection may be noticed; an error that nobody takes fails
    // the test.
    for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
    client.close();
    await ended;
  }
});

it("takes no more of one answer than the longest has", async () => {
  const stdout = new Uint8Array(LIMITS.execOutputBytes);
  const stderr = new Uint8Array(3 * LIMITS.execOutputBytes);
  let isTooLong = false;
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(HostAgentService, { exec: () => ({ stdout, stderr: isTooLong ? stderr : stdout }) }),
  });
  const server = createServer(routes);
  const client = createHostClient(await listenAtSocket(server));
  const { length } = (await client.agent.exec({})).stderr;
  expect(length).toBe(LIMITS.execOutputBytes);
  isTooLong = true;
  expect(await client.agent.exec({}).then(() => undefined, fromRpcError)).toMatchObject({ code: "agent_error" });
  client.close();
  const ended = once(server, "close");
  server.close();
  await ended;
});
