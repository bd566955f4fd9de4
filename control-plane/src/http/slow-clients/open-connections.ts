import type { Socket } from "node:net";
import { networkOf } from "../../rate-limits/network.ts";

/** How many connections may be open at once. */
export interface ConnectionLimits {
  connectionsPerNetwork: number;
  connections: number;
}

/** What is known of an open connection; it stands in the socket, where a map by socket would be searched with every request. */
const CONNECTION = Symbol("what is known of an open connection");

interface Connection {
  /** Requests that are under way. */
  requests: number;
  /** When it was used last: a count of all uses. */
  lastUse: number;
}

type TrackedSocket = Socket & { [CONNECTION]?: Connection };

/**
 * Bounds the open connections of one network of clients and of all. A new one takes the place of that which has been
 * without a request for longest, so that nobody keeps others out with connections that are not used; where all are used,
 * the new one is closed.
 */
export class OpenConnections {
  readonly #limits: ConnectionLimits;
  readonly #all = new Set<TrackedSocket>();
  readonly #byNetwork = new Map<string, Set<TrackedSocket>>();
  #uses = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  add(socket: TrackedSocket): void {
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
    socket[CONNECTION] = { requests: 0, lastUse: this.#uses++ };
    this.#all.add(socket);
    own.add(socket);
    socket.once("close", () => {
      this.#all.delete(socket);
      own.delete(socket);
      if (own.size === 0 && this.#byNetwork.get(network) === own) this.#byNetwork.delete(network);
    });
  }

  /** A request has come, or the connection is one of a WebSocket from now on. */
  begin({ [CONNECTION]: connection }: TrackedSocket): void {
    if (connection) connection.requests++;
  }

  /** A request is over. */
  end({ [CONNECTION]: connection }: TrackedSocket): void {
    if (!connection) return;
    connection.requests--;
    connection.lastUse = this.#uses++;
  }

  /** Whether there is room for one more. */
  #makeRoom(sockets: Set<TrackedSocket>, most: number): boolean {
    if (sockets.size < most) return true;
    let longest: TrackedSocket | undefined;
    let lastUse = Number.POSITIVE_INFINITY;
    for (const socket of sockets) {
      const connection = socket[CONNECTION]!;
      if (connection.requests > 0 || connection.lastUse >= lastUse) continue;
      longest = socket;
      lastUse = connection.lastUse;
    }
    if (!longest) return false;
    longest.destroy();
    sockets.delete(longest);
    return true;
  }
}
