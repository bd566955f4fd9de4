import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";

/** Has a server of a test listen on a free port of the loopback interface; resolves with its address. */
export async function listenLocally(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return addressOf(server);
}

/** Address of such a server. */
export function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends one with all of its connections. */
export async function endServer(server: Server & { closeAllConnections(): void }): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
