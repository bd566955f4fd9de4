import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";

/** Bytes of console output that are kept. */
export const CONSOLE_BYTES = 64 * 1024;

/**
 * Reads of the socket that are served at once in each window of time; after them the console rests until the window
 * ends, and what the guest printed meanwhile comes in few large reads. A serial port gives single bytes, so a guest that
 * floods its console would otherwise wake the host agent for each of them.
 */
const READS_PER_WINDOW = 64;
const WINDOW_MS = 50;

interface Waiter {
  text: string;
  resolve(): void;
  reject(error: Error): void;
}

/** The serial console of a microVM: keeps the last output and tells when a text has appeared. */
export class Console {
  /** Resolves when the other side has closed and all that it sent has been read. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  /** One character for each byte, so that lengths are lengths in bytes and cut sequences stay whole. */
  #tail = "";
  readonly #waiters = new Set<Waiter>();
  #reads = 0;
  #window: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#receive(chunk));
    // A connection that breaks is closed right after; the end of the process is told by other means.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        clearTimeout(this.#window);
        this.#rejectAll();
        resolve();
      });
    });
  }

  /** The last output, at most 64 KiB. */
  tail(): string {
    return Buffer.from(this.#tail.slice(-CONSOLE_BYTES), "latin1").toString("utf8");
  }

  /** Resolves when `text` is in the kept output. Rejects with `boot_failed` when the console ends without it. */
  async waitFor(text: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const wanted = Buffer.from(text).toString("latin1");
    if (this.#tail.includes(wanted)) return;
    if (this.#socket.destroyed) throw this.#ended(text);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { text: wanted, resolve, reject };
    const giveUp = (): void => reject(signal?.reason);
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Reads on without rests until the other side closes, for a process that has ended. */
  async drain(): Promise<void> {
    this.#reads = Number.NEGATIVE_INFINITY;
    this.#socket.resume();
    await this.closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const searched = this.#tail.length;
    this.#tail += chunk.toString("latin1");
    for (const waiter of this.#waiters) {
      if (this.#tail.includes(waiter.text, Math.max(0, searched - waiter.text.length))) waiter.resolve();
    }
    // Cut at twice the length, so that a byte is moved once on average however small the reads are.
    if (this.#tail.length > 2 * CONSOLE_BYTES) this.#tail = this.#tail.slice(-CONSOLE_BYTES);
    this.#rest();
  }

  #rest(): void {
    this.#reads += 1;
    if (this.#reads >= READS_PER_WINDOW) this.#socket.pause();
    this.#window ??= setTimeout(() => {
      this.#window = undefined;
      this.#reads = Math.min(this.#reads, 0);
      this.#socket.resume();
    }, WINDOW_MS).unref();
  }

  #rejectAll(): void {
    for (const { text, reject } of this.#waiters) reject(this.#ended(text));
  }

  #ended(text: string): WarrenError {
    return new WarrenError(
      "boot_failed",
      `the microVM ended before it printed ${JSON.stringify(text)}:\n${this.tail()}`,
    );
  }
}
