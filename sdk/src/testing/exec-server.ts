import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach } from "vitest";
import { WebSocketServer } from "ws";
import { Transport } from "../transport.ts";

/** A server whose side of each streamed command a test plays itself, and a transport that leads to it. */
export interface ExecServer {
  server: Server;
  webSockets: WebSocketServer;
  transport: Transport;
}

/** Gives each test of a file a server of its own; what is returned is there while a test runs. */
export function useExecServer(): () => ExecServer {
  let current: ExecServer;
  beforeEach(async () => {
    const server = createServer();
    const webSockets = new WebSocketServer({
      server,
      handleProtocols: () => "warren.exec.v1",
      perMessageDeflate: false,
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    current = {
      server,
      webSockets,
      transport: new Transport({ url: `http://127.0.0.1:${port}`, apiKey: "warren_key" }),
    };
  });
  afterEach(async () => {
    const { server, webSockets, transport } = current;
    transport.close();
    for (const client of webSockets.clients) client.terminate();
    server.close();
    await once(server, "close");
  });
  return () => current;
}
