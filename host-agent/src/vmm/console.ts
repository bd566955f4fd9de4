import { connect, type Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";

/** Bytes of console output that are kept. */
export const CONSOLE_BYTES = 64 * 1024;

/**
 * Milliseconds from when there is something to read until it is read. QEMU sends a serial port's bytes one by one, and a
 * guest that floods its console would wake the host agent for each of them; this way a few hundred come in one read, and the
 * guest waits.
 */
const REST_MS = 5;

/** Characters of a line that are told; longer ones are cut. */
const LINE_LENGTH = 1024;

interface Waiter {
  text: string;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Opens the connection of a console. Its kernel buffer is not read ahead of the console: a stream that is, holds thousands
 * of single bytes, and gives them out one by one to a reader that rests.
 */
export function connectConsole(path: string): Socket {
  const options = { path, readableHighWaterMark: 1 };
  return connect(options);
}

/** The serial console of a microVM: keeps the last output and tells when a text has appeared. */
export class Console {
  /** Resolves when the other side has closed and all that it sent has been read. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  /** One character for each byte, so that lengths are lengths in bytes and cut sequences stay whole. */
  #tail = "";
  readonly #waiters = new Set<Waiter>();
  /** What has been printed of a line that has not ended. */
  #line = "";
  #onLine: ((line: string) => void) | undefined;
  #rest: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("readable", () => this.#onReadable());
    // A connection that breaks is closed right after; the end of the process is told by other means.
    socket.on("error", () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const close = (): void => {
      clearTimeout(this.#rest);
      this.#rejectAll();
      resolve();
    };
    // Closed already is that of a process that ended at once.
    if (socket.closed) close();
    else socket.once("close", close);
  }

  /** The last output, at most 64 KiB. */
  tail(): string {
    return Buffer.from(this.#tail.slice(-CONSOLE_BYTES), "latin1").toString("utf8");
  }

  /** Tells of each line that ends from now on, at most its first 1024 characters. There is one listener at a time. */
  onLine(listener: (line: string) => void): void {
    this.#onLine = listener;
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
    this.#draining = true;
    this.#read();
    await this.closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #onReadable(): void {
    if (this.#draining) this.#read();
    else this.#rest ??= setTimeout(() => this.#read(), REST_MS);
  }

  /** Takes all that has come. */
  #read(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
    for (let chunk: Buffer | null = this.#socket.read(); chunk; chunk = this.#socket.read()) this.#receive(chunk);
  }

  #receive(chunk: Buffer): void {
    const searched = this.#tail.length;
    const text = chunk.toString("latin1");
    this.#tail += text;
    for (const waiter of this.#waiters) {
      if (this.#tail.includes(waiter.text, Math.max(0, searched - waiter.text.length))) waiter.resolve();
    }
    this.#tellLines(text);
    // Cut at twice the length, so that a byte is moved once on average however small the reads are.
    if (this.#tail.length > 2 * CONSOLE_BYTES) this.#tail = this.#tail.slice(-CONSOLE_BYTES);
  }

  #tellLines(text: string): void {
    const [first = "", ...rest] = text.split("\n");
    this.#line = (this.#line + first).slice(0, LINE_LENGTH);
    for (const next of rest) {
      this.#onLine?.(Buffer.from(this.#line, "latin1").toString("utf8").replace(/\r$/, ""));
      this.#line = next.slice(0, LINE_LENGTH);
    }
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
