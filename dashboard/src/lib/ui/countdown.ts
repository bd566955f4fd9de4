/** Calls once when so many milliseconds have run; what rests does not run. */
export class Countdown {
  #leftMs: number;
  #begunAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onEnd: () => void;

  constructor(ms: number, onEnd: () => void) {
    this.#leftMs = ms;
    this.#onEnd = onEnd;
  }

  /** Begins, or goes on. */
  run(): void {
    if (this.#timer !== undefined) return;
    this.#begunAt = performance.now();
    this.#timer = setTimeout(this.#onEnd, this.#leftMs);
  }

  /** Stands still until it is run again, and calls nobody until then. */
  rest(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#begunAt));
  }
}
