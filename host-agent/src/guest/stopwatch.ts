/** Adds up the time between its starts and stops. */
export class Stopwatch {
  #total = 0;
  #startedAt: number | undefined;

  start(): void {
    this.#startedAt ??= performance.now();
  }

  stop(): void {
    this.#total = this.elapsedMs();
    this.#startedAt = undefined;
  }

  /** Milliseconds, those since the last start included. */
  elapsedMs(): number {
    return this.#total + (this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt);
  }
}
