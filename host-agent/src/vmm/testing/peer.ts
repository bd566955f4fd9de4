import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../../linux/testing/temporary-folder.ts";

/** Both ends of a unix socket: that of the code under test, and that of the test, which plays the other side. */
export async function socketPair(open: (path: string) => Socket = connect): Promise<{ socket: Socket; peer: Socket }> {
  const path = join(temporaryFolder(), "socket");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const socket = open(path);
  const [peer] = await accepted;
  peer.on("error", () => undefined);
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
    server.close();
  });
  return { socket, peer };
}
