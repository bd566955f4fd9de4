import { hostLoad } from "./host-load.ts";

/** Longest delay of a timer in milliseconds (a signed 32-bit number). */
const MAX_DELAY = 2 ** 31 - 1;

/**
 * Gives up a command that its guest does not end when its time is up. What the reader of its output takes for that does
 * not count: the end may come behind it.
 */
export class CommandDeadline {
  readonly #endMs: number;
  readonly #giveUp: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds for which the reader was busy. */
  #suspendedMs = 0;
  #suspendedAt: number | undefined;

  /** The guest has `endMs` to end the command, times the load of the host. */
  constructor(endMs: number, giveUp: () => void) {
    this.#endMs = endMs;
    this.#giveUp = giveUp;
  }

  /** A time limit that counts from now; 0 = none. */
  set(timeoutMs: number): void {
    this.clear();
    if (timeoutMs > 0) this.#look(performance.now() - this.#busyMs() + timeoutMs + this.#endMs * hostLoad());
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  /** The reader has been handed output. */
  suspend(): void {
    this.#suspendedAt = performance.now();
  }

  /** The reader wants more. */
  resume(): void {
    this.#suspendedMs = this.#busyMs();
    this.#suspendedAt = undefined;
  }

  #busyMs(): number {
    return this.#suspendedMs + (this.#suspendedAt === undefined ? 0 : performance.now() - this.#suspendedAt);
  }

  #look(due: number): void {
    const left = due + this.#busyMs() - performance.now();
    if (left <= 0) this.#giveUp();
    else this.#timer = setTimeout(() => this.#look(due), Math.min(Math.ceil(left), MAX_DELAY));
  }
}
