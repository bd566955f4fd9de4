import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { takenOf } from "../http/slow-clients/transfer-watch.ts";

/** Bytes that wait for a client before more is taken from the command. */
const SEND_HIGH = 1024 * 1024;

/** Milliseconds between two pings, by which a client that is gone shows. */
const PING_MS = 5000;
/** Pings in a row without an answer after which a client that is read counts as gone. */
const SILENT_PINGS = 6;

/** Looks in the time in which a client must take something. */
const WATCHES = 20;

/** Sends messages only as fast as the client takes them. */
export class SocketSender {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Sends a message; resolves when the next one may follow, rejects when the connection is gone. */
  send(message: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      // The callback comes once the message, and so all before it, has left for the kernel.
      this.#socket.send(message, { binary: typeof message !== "string" }, (error) =>
        error ? reject(error) : resolve(),
      );
      if (this.#socket.bufferedAmount < SEND_HIGH) resolve();
    });
  }

  /**
   * Sends a ping now and then until the result is called. A client that is gone shows by it: writing to it fails, also
   * while it is not read, and a client that is read but never answers is cut off. Data that waits for a slow client is a
   * sign of life by itself.
   */
  keepAlive(): () => void {
    const socket = this.#socket;
    let unanswered = 0;
    const onPong = () => {
      unanswered = 0;
    };
    socket.on("pong", onPong);
    const timer = setInterval(() => {
      if (socket.readyState !== socket.OPEN || socket.bufferedAmount > 0) return;
      if (unanswered >= SILENT_PINGS && !socket.isPaused) {
        socket.terminate();
        return;
      }
      unanswered = socket.isPaused ? 0 : unanswered + 1;
      socket.ping();
    }, PING_MS);
    return () => {
      clearInterval(timer);
      socket.off("pong", onPong);
    };
  }

  /**
   * Calls `stalled` when the client has taken nothing for so many milliseconds of what waits for it, until the result is
   * called. `connection` is the one below the socket. Nothing is asked of a client for which nothing waits.
   */
  watch(connection: Socket, limitMs: number, stalled: () => void): () => void {
    let since = performance.now();
    let taken = takenOf(connection);
    const timer = setInterval(() => {
      const now = takenOf(connection);
      if (now !== taken || this.#socket.bufferedAmount === 0) {
        taken = now;
        since = performance.now();
      } else if (performance.now() - since >= limitMs) {
        clearInterval(timer);
        stalled();
      }
    }, limitMs / WATCHES);
    return () => clearInterval(timer);
  }
}
