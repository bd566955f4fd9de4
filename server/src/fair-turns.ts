/** Milliseconds for which work that may have no end keeps the event loop before anything else has its turn. */
const TURN_MS = 1;

/** Whom work is done for; however much there is of it, an owner has one place in the queue. */
type Owner = object | string;

/**
 * Shares the event loop among work that somebody else may make endless. Messages of a peer that are there already are taken
 * in microtasks, one after the other, and while they last no timer and no other connection is seen to: whoever sends small
 * ones fast enough would have the process to himself. Between two of them their reader asks for its next turn here, and
 * waits for it once those of one turn of the loop have had their time together.
 */
export class FairTurns {
  /** When the first work of this turn of the loop began. */
  #began: number | undefined;
  readonly #waiting = new Map<Owner, (() => void)[]>();

  /** Undefined when the work may go on at once; otherwise resolves when it is the owner's turn. */
  next(owner: Owner): Promise<void> | undefined {
    const now = performance.now();
    const began = this.#began ?? this.#begin(now);
    if (now - began < TURN_MS) return undefined;
    return new Promise((resolve) => {
      const others = this.#waiting.get(owner);
      if (others) others.push(resolve);
      else this.#waiting.set(owner, [resolve]);
    });
  }

  #begin(now: number): number {
    this.#began = now;
    setImmediate(() => this.#handOn());
    return now;
  }

  /** The loop has been round: the next owner has this turn. */
  #handOn(): void {
    this.#began = undefined;
    const [first] = this.#waiting;
    if (!first) return;
    const [owner, [proceed, ...others]] = first;
    this.#waiting.delete(owner);
    if (others.length > 0) this.#waiting.set(owner, others);
    this.#begin(performance.now());
    proceed?.();
  }
}

/** Those of this process, which has one event loop. */
export const turns = new FairTurns();
