import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A port of the loopback interface that is free at this moment. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

/** A way over a network to a port of the loopback interface, which can be cut: then nothing passes, and nobody is told. */
export class NetworkPath {
  readonly #server: Server;
  readonly #sockets = new Map<Socket, Socket>();
  #isCut = false;

  private constructor(target: number) {
    this.#server = createServer((near) => this.#join(near, connect(target, "127.0.0.1")));
  }

  static async open(target: number): Promise<NetworkPath> {
    const path = new NetworkPath(target);
    path.#server.listen(0, "127.0.0.1");
    await once(path.#server, "listening");
    return path;
  }

  /** Where it begins. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const [from, to] of this.#sockets) from.unpipe(to).pause();
  }

  heal(): void {
    this.#isCut = false;
    for (const [from, to] of this.#sockets) from.pipe(to);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.set(from, to);
      if (!this.#isCut) from.pipe(to);
      from.on("error", () => undefined);
      from.once("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
