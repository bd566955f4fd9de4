import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Has a server of a test listen on a free port of the loopback interface; resolves with its address. */
export async function listenLocally(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return addressOf(server);
}

let sockets = 0;

/** The same at a socket of a file system, which goes with the server; resolves with its address. */
export async function listenAtSocket(server: Server): Promise<string> {
  const path = join(tmpdir(), `warren-test-${process.pid}-${++sockets}.sock`);
  server.listen(path);
  await once(server, "listening");
  return `unix:${path}`;
}

/** Address of a server at a port. */
export function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends one with all of its connections. */
export async function endServer(server: Server & { closeAllConnections(): void }): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
