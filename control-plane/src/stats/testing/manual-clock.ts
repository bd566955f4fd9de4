import type { SamplerClock } from "../stats-sampler.ts";

/** A clock that stands still until a test has time pass, or sets it. */
export class ManualClock implements SamplerClock {
  #now: number;
  /** Goes on whatever the clock is set to, as timers do. */
  #passed = 0;
  readonly #waiting = new Set<{ due: number; end: () => void }>();
  #waited = Promise.withResolvers<void>();

  /** `now`: milliseconds since the epoch. */
  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Sets it, which ends no wait. */
  set(now: number): void {
    this.#now = now;
  }

  wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiter = { due: this.#passed + milliseconds, end: resolve };
      this.#waiting.add(waiter);
      signal.addEventListener("abort", () => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      });
      this.#waited.resolve();
    });
  }

  /** Resolves when somebody waits. */
  async idle(): Promise<void> {
    if (this.#waiting.size > 0) return;
    this.#waited = Promise.withResolvers();
    await this.#waited.promise;
  }

  /** Lets time pass, and resolves when those whose wait that ends wait again. */
  async pass(milliseconds: number): Promise<void> {
    await this.idle();
    this.#now += milliseconds;
    this.#passed += milliseconds;
    for (const waiter of this.#waiting) {
      if (waiter.due > this.#passed) continue;
      this.#waiting.delete(waiter);
      waiter.end();
    }
    await this.idle();
  }
}
