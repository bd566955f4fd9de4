import type { Socket } from "node:net";
import { networkOf } from "../../rate-limits/network.ts";

/** How many connections may be open at once. */
export interface ConnectionLimits {
  connectionsPerNetwork: number;
  connections: number;
}

/**
 * Bounds the open connections of one network of clients and of all. A new one takes the place of that which has been
 * without a request for longest, so that nobody keeps others out with connections that are not used; where all are used,
 * the new one is closed.
 */
export class OpenConnections {
  readonly #limits: ConnectionLimits;
  /** Each in the order in which connections had their last request. */
  readonly #all = new Set<Socket>();
  readonly #byNetwork = new Map<string, Set<Socket>>();
  readonly #requests = new WeakMap<Socket, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  add(socket: Socket): void {
    const { remoteAddress } = socket;
    // Gone already.
    if (remoteAddress === undefined) return;
    const network = networkOf(remoteAddress);
    const own = this.#byNetwork.get(network) ?? new Set();
    this.#byNetwork.set(network, own);
    if (
      !this.#makeRoom(own, this.#limits.connectionsPerNetwork) ||
      !this.#makeRoom(this.#all, this.#limits.connections)
    ) {
      socket.destroy();
      return;
    }
    this.#all.add(socket);
    own.add(socket);
    socket.once("close", () => {
      this.#all.delete(socket);
      own.delete(socket);
      if (own.size === 0 && this.#byNetwork.get(network) === own) this.#byNetwork.delete(network);
    });
  }

  /** A request has come, or the connection is one of a WebSocket from now on. */
  begin(socket: Socket): void {
    this.#requests.set(socket, (this.#requests.get(socket) ?? 0) + 1);
  }

  /** A request is over. */
  end(socket: Socket): void {
    this.#requests.set(socket, (this.#requests.get(socket) ?? 1) - 1);
    const own = socket.remoteAddress === undefined ? undefined : this.#byNetwork.get(networkOf(socket.remoteAddress));
    for (const sockets of [this.#all, own]) if (sockets?.delete(socket)) sockets.add(socket);
  }

  /** Whether there is room for one more. */
  #makeRoom(sockets: Set<Socket>, most: number): boolean {
    if (sockets.size < most) return true;
    for (const socket of sockets) {
      if (this.#requests.get(socket)) continue;
      socket.destroy();
      sockets.delete(socket);
      return true;
    }
    return false;
  }
}
