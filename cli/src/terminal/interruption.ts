const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Reason of an abort by a signal to this process. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly by: NodeJS.Signals;

  constructor(by: NodeJS.Signals) {
    super(`interrupted by ${by}`);
    this.by = by;
  }
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP into an abort, so that what was made is removed in order. The second one
 * ends this process at once; servers that it started then end by themselves.
 */
export class Interruption {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#controller.signal.aborted) endBySignal(signal);
    else this.#controller.abort(new Interrupted(signal));
  };

  constructor() {
    this.signal = this.#controller.signal;
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Aborts for a reason of the program's own. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }
}

/** Ends this process as the signal would have, so that whoever waits for it sees what ended it. */
export function endBySignal(signal: NodeJS.Signals): void {
  for (const handled of SIGNALS) process.removeAllListeners(handled);
  process.kill(process.pid, signal);
}
