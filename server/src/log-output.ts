import { write, writeSync } from "node:fs";

/** Bytes of lines that wait for a reader; beyond them lines are dropped, and how many is said in the next line. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Milliseconds between two attempts to write to a pipe that is full and does not block. */
const FULL_PIPE_MS = 20;
/** Attempts at the end of the process, after which what is left is given up. */
const LAST_ATTEMPTS = 50;

/**
 * Where a server's log goes, as a destination for pino: lines in order to a descriptor, without holding the server up.
 * When the reader is gone for good (EPIPE, or any other error but a full pipe) it takes lines and drops them. Those that
 * wait are written at the end of the process, as far as the reader takes them; they may come before those whose writing is
 * under way at that moment, which nothing can wait for any more.
 *
 * pino's own destination writes the rest at the end again and again when its pipe is broken, and the process never ends.
 */
export class LogOutput {
  readonly #fd: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #isWriting = false;
  #isBroken = false;
  #flushesAtExit = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    if (this.#isBroken) return;
    this.#flushAtExit();
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    if (!this.#isWriting) this.#writeNext();
  }

  /** Writes what waits before it returns; pino does so at fatal errors. */
  flushSync(): void {
    let rest = this.#take();
    for (let attempt = 0; rest.length > 0 && !this.#isBroken && attempt < LAST_ATTEMPTS; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (!isFull(error)) this.#isBroken = true;
        attempt++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS);
      }
    }
  }

  #flushAtExit(): void {
    if (this.#flushesAtExit) return;
    this.#flushesAtExit = true;
    process.once("exit", () => this.flushSync());
  }

  #take(): Buffer {
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#dropped === 0) return Buffer.from(text);
    const notice = JSON.stringify({
      level: 40,
      time: new Date().toISOString(),
      msg: `${this.#dropped} lines were lost`,
    });
    this.#dropped = 0;
    return Buffer.from(`${text}${notice}\n`);
  }

  #writeNext(): void {
    this.#isWriting = true;
    this.#writeAll(this.#take());
  }

  #writeAll(rest: Buffer): void {
    write(this.#fd, rest, (error, written) => {
      if (error && isFull(error)) setTimeout(() => this.#writeAll(rest), FULL_PIPE_MS);
      else if (error) {
        this.#isBroken = true;
        this.#take();
      } else if (written < rest.length) this.#writeAll(rest.subarray(written));
      else if (this.#waiting.length > 0) this.#writeNext();
      else this.#isWriting = false;
    });
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EAGAIN" || code === "EBUSY";
}
