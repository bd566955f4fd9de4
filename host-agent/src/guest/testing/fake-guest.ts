import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { GuestClient } from "../client.ts";

/** What a guest that has taken over the port of its agent does with a request. `head` is the request line and headers. */
export type Trick = (socket: Socket, head: string) => Promise<void> | void;

/** A guest that is nobody's friend: a bare socket, which says what the trick has it say. */
export class FakeGuest {
  readonly port: number;
  readonly #sockets: Set<Socket>;
  readonly #close: () => void;

  private constructor(port: number, sockets: Set<Socket>, close: () => void) {
    this.port = port;
    this.#sockets = sockets;
    this.#close = close;
  }

  static async start(trick: Trick): Promise<FakeGuest> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
      let head = "";
      socket.on("data", (chunk) => {
        const before = head.includes("\r\n\r\n");
        // The rest of the request is read and dropped.
        if (before) return;
        head += chunk.toString("latin1");
        if (head.includes("\r\n\r\n")) void Promise.resolve(trick(socket, head)).catch(() => undefined);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeGuest((server.address() as AddressInfo).port, sockets, () => server.close());
  }

  /** A client of it, which waits no longer than these milliseconds for an answer, and for the start of a command. */
  client(unaryMs: number, startMs = unaryMs): GuestClient {
    return new GuestClient("127.0.0.1", this.port, "token", { unaryMs, startMs, bodyMs: unaryMs, endMs: unaryMs });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#close();
  }
}

/** Writes the same bytes again and again, as fast as they are taken, until the other side is gone. */
export async function forever(socket: Socket, bytes: Buffer | string): Promise<void> {
  while (!socket.destroyed) {
    if (socket.write(bytes)) await new Promise(setImmediate);
    else {
      const over = new AbortController();
      await Promise.race(["drain", "close"].map((event) => once(socket, event, { signal: over.signal })));
      over.abort();
    }
  }
}
