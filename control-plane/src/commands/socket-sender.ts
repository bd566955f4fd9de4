import type { WebSocket } from "ws";

/** Bytes that wait for a client before more is taken from the command. */
const SEND_HIGH = 1024 * 1024;

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
   * Sends a ping now and then, which shows a client that is gone: writing to it fails, also while it is not read, and a
   * client that is read but does not answer is cut off. Data that waits for a slow client is a sign of life by itself.
   */
  keepAlive(intervalMs: number, isPaused: () => boolean): { stop(): void } {
    const socket = this.#socket;
    let answered = true;
    const onPong = () => {
      answered = true;
    };
    socket.on("pong", onPong);
    const timer = setInterval(() => {
      if (socket.readyState !== socket.OPEN || socket.bufferedAmount > 0) return;
      if (!answered && !isPaused()) {
        socket.terminate();
        return;
      }
      answered = false;
      socket.ping();
    }, intervalMs);
    return {
      stop: () => {
        clearInterval(timer);
        socket.off("pong", onPong);
      },
    };
  }
}
