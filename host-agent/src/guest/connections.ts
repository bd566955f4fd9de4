import type http from "node:http";
import type { Duplex } from "node:stream";
import { RelayAgent } from "@warren/server/body-relay";

/** Connections to one guest agent: kept for the next call, and ended all at once. */
export class GuestConnections extends RelayAgent {
  #closed = false;

  constructor() {
    super({ keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 4, timeout: 0 });
  }

  override createConnection(
    options: http.ClientRequestArgs,
    callback?: (error: Error | null, connection: Duplex) => void,
  ): Duplex | null | undefined {
    if (!this.#closed) return super.createConnection(options, callback);
    const error = Object.assign(new Error("the microVM has ended"), { code: "ECONNREFUSED" });
    process.nextTick(() => callback?.(error, undefined as never));
    return undefined;
  }

  /** Breaks every connection, in use or not, and refuses to make others: a guest that is gone would never answer. */
  close(): void {
    this.#closed = true;
    this.destroy();
  }
}
