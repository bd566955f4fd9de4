import { fstatSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";

const STDOUT = 1;

/** Bytes of lines that wait for a reader; beyond them lines are dropped, and how many is said in the next line. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Characters of lines that are collected in one turn of the event loop. */
const MAX_OF_TURN = 64 * 1024;
const NOTHING = Buffer.alloc(0);
/** Milliseconds between two attempts to write to what is full and cannot be waited for. */
const FULL_MS = 20;
/** Attempts at the end of the process, after which what is left is given up. */
const LAST_ATTEMPTS = 50;

/**
 * Where a server's log goes, as a destination for pino: lines in order to standard output, without holding the server up. A
 * line is written at once, by the thread that made it: handing it to another costs several times as much as writing it.
 * Lines that come with every request ({@link LogOutput.writeSoon}) share a call with the others of the same turn of the event
 * loop. What a pipe has no room for waits until its reader has made some. When the reader is gone for good (EPIPE, or any other
 * error but a full pipe) lines are taken and dropped. Those that wait are written at the end of the process, as far as the
 * reader takes them.
 *
 * pino's own destination writes the rest at the end again and again when its pipe is broken, and the process never ends.
 */
export class LogOutput {
  /** Standard output where it is a pipe or a socket, which does not block once Node has opened it; not a file or terminal. */
  readonly #pipe: Writable | undefined;
  /** Lines of the present turn of the event loop. */
  #ofTurn = "";
  #linesOfTurn = 0;
  /** What has been taken and not written, the first of it cut where the reader took a part. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** The byte whose writing tells that there is room, as far as it is not written; it comes before all that waits. */
  #awaited: Buffer | undefined;
  #dropped = 0;
  #isBroken = false;
  #flushesAtExit = false;

  constructor() {
    const kind = fstatSync(STDOUT);
    this.#pipe = kind.isFIFO() || kind.isSocket() ? process.stdout : undefined;
    if (this.#pipe) neverThrow(this.#pipe);
  }

  write(line: string): void {
    this.#writeTurn();
    this.#write(line, 1);
  }

  /** Takes a line that is written before the next one, and at the end of this turn of the event loop at the latest. */
  writeSoon(line: string): void {
    if (this.#linesOfTurn === 0) {
      this.#flushAtExit();
      setImmediate(this.#writeTurn);
    }
    this.#ofTurn += line;
    this.#linesOfTurn++;
    if (this.#ofTurn.length > MAX_OF_TURN) this.#writeTurn();
  }

  /** Writes what waits before it returns, unless some of it is on its way; pino does so at fatal errors. */
  flushSync(): void {
    this.#writeTurn();
    if (this.#awaited) return;
    for (let attempt = 0; attempt < LAST_ATTEMPTS; attempt++) {
      this.#writeWaiting();
      if (this.#waiting.length === 0) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS);
    }
  }

  readonly #writeTurn = (): void => {
    if (this.#linesOfTurn === 0) return;
    const [lines, count] = [this.#ofTurn, this.#linesOfTurn];
    this.#ofTurn = "";
    this.#linesOfTurn = 0;
    this.#write(lines, count);
  };

  #write(lines: string, count: number): void {
    if (this.#isBroken) return;
    const bytes = Buffer.byteLength(lines);
    if (this.#waiting.length > 0 || this.#awaited) {
      if (this.#waitingBytes + bytes > MAX_WAITING) this.#dropped += count;
      else this.#wait(Buffer.from(lines));
      return;
    }
    const written = this.#tryWrite(lines);
    if (written === bytes || this.#isBroken) return;
    this.#flushAtExit();
    this.#wait(Buffer.from(lines).subarray(written));
    this.#whenThereIsRoom();
  }

  #wait(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Number of bytes that were taken. */
  #tryWrite(bytes: Buffer | string): number {
    try {
      return typeof bytes === "string" ? writeSync(STDOUT, bytes) : writeSync(STDOUT, bytes);
    } catch (error) {
      if (!isFull(error)) this.#break();
      return 0;
    }
  }

  #writeWaiting(): void {
    if (this.#waiting.length === 0) return;
    const all = this.#takeWaiting();
    const written = this.#tryWrite(all);
    if (written < all.length && !this.#isBroken) this.#wait(all.subarray(written));
  }

  /** All that waits, and at its end how many lines are missing there. */
  #takeWaiting(): Buffer {
    if (this.#dropped > 0) {
      const notice = { level: 40, time: new Date().toISOString(), msg: `${this.#dropped} lines were lost` };
      this.#wait(Buffer.from(`${JSON.stringify(notice)}\n`));
      this.#dropped = 0;
    }
    const [first, ...others] = this.#waiting;
    const all = first && others.length === 0 ? first : Buffer.concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    return all;
  }

  /** Writes on when the reader has made room, which is known when the next byte could be written. */
  #whenThereIsRoom(): void {
    if (!this.#pipe) {
      setTimeout(() => this.#writeOn(), FULL_MS);
      return;
    }
    const [first, ...others] = this.#waiting;
    this.#awaited = first!.subarray(0, 1);
    this.#waiting = [first!.subarray(1), ...others];
    this.#waitingBytes -= 1;
    const before = this.#pipe.writableLength;
    this.#pipe.write(this.#awaited, (error) => {
      this.#awaited = undefined;
      if (error) this.#break();
      else this.#writeOn();
    });
    // Room that came just now takes it at once, and the callback comes later: at an end before that nothing of it is left to write.
    if (this.#pipe.writableLength === before) this.#awaited = NOTHING;
  }

  #writeOn(): void {
    this.#writeWaiting();
    if (this.#waiting.length > 0) this.#whenThereIsRoom();
  }

  #break(): void {
    this.#isBroken = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #flushAtExit(): void {
    if (this.#flushesAtExit) return;
    this.#flushesAtExit = true;
    process.once("exit", () => {
      // Nothing that is on its way is written any more.
      if (this.#awaited) this.#waiting.unshift(this.#awaited);
      this.#awaited = undefined;
      this.#waitingBytes = this.#waiting.reduce((sum, { length }) => sum + length, 0);
      this.flushSync();
    });
  }
}

/** Pipes with a listener for their errors: whoever writes to one is told by the write itself. */
const listenedTo = new WeakSet<Writable>();

function neverThrow(pipe: Writable): void {
  if (listenedTo.has(pipe)) return;
  listenedTo.add(pipe);
  pipe.on("error", () => undefined);
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EAGAIN" || code === "EBUSY";
}
