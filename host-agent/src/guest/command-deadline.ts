import { hostLoad } from "./host-load.ts";

/** Share of a time limit after which a guest may say that it has passed: its clock is not the host's. */
const CLOCK_SHARE = 0.9;
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
  /** When the guest may first say that a time limit has passed. */
  #credibleAt = Number.POSITIVE_INFINITY;

  /** The guest has `endMs` to end the command, times the load of the host. */
  constructor(endMs: number, giveUp: () => void) {
    this.#endMs = endMs;
    this.#giveUp = giveUp;
  }

  /** A time limit that counts from now, in the guest perhaps from `askedAt`, when it was asked for; 0 = none. */
  set(timeoutMs: number, askedAt = performance.now()): void {
    this.clear();
    if (timeoutMs === 0) return;
    // One that is replaced may pass before the guest has heard of the next.
    this.#credibleAt = Math.min(this.#credibleAt, askedAt + CLOCK_SHARE * timeoutMs);
    this.#look(performance.now() - this.#busyMs() + timeoutMs + this.#endMs * hostLoad());
  }

  /** Whether a time limit can have passed: a guest says so as it likes. */
  get mayHavePassed(): boolean {
    return performance.now() >= this.#credibleAt;
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
