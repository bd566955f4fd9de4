/** Milliseconds within which several reasons to ask are one. */
const GATHER_MS = 150;
/** How much longer reasons are gathered each time while they go on. */
const GATHER_GROWTH = 3;

export interface AskingOptions<T> {
  load: (signal: AbortSignal) => Promise<T>;
  /** Called when an answer is awaited, and when none is any more. */
  onAsking: (asking: boolean) => void;
  onAnswer: (data: T) => void;
  onError: (error: unknown) => void;
  /** While nobody looks nothing is asked; what was left out is made up for by {@link Asking.seen}. */
  isHidden: () => boolean;
  /** Milliseconds within which several reasons to ask are one where they go on and on; default: 150, as those after a while are. */
  gatherMs?: number;
}

/**
 * Asks one question again and again, as reasons for it come: one answer is awaited at a time, and only the newest counts.
 * However fast reasons come, answers come too: a reason never ends a question that is under way.
 */
export class Asking<T> {
  readonly #options: AskingOptions<T>;
  #abort: AbortController | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  /** Whether something has changed since the last question was asked. */
  #isStale = false;
  /** By `performance.now()`. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #gatherMs = GATHER_MS;

  constructor(options: AskingOptions<T>) {
    this.#options = options;
  }

  /** Asks at once; an answer to an earlier question, which may be another, is no longer of interest. */
  async now(): Promise<void> {
    const { load, onAsking, onAnswer, onError } = this.#options;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#isStale = false;
    this.#askedAt = performance.now();
    try {
      const loaded = load(abort.signal);
      onAsking(true);
      const data = await loaded;
      if (this.#abort !== abort) return;
      onAnswer(data);
    } catch (error) {
      if (this.#abort !== abort) return;
      onError(error);
    }
    this.#abort = undefined;
    onAsking(false);
    if (this.#isStale) this.soon();
  }

  /** Asks before long: for a change of what the answer tells. */
  soon(): void {
    this.#isStale = true;
    if (this.#abort || this.#options.isHidden()) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      if (!this.#abort) void this.now();
    }, this.#nextGatherMs());
  }

  #nextGatherMs(): number {
    const { gatherMs = GATHER_MS } = this.#options;
    const goOn = performance.now() - this.#askedAt < gatherMs;
    this.#gatherMs = goOn ? Math.min(gatherMs, this.#gatherMs * GATHER_GROWTH) : GATHER_MS;
    return this.#gatherMs;
  }

  /** Somebody looks again. */
  seen(): void {
    if (this.#isStale) this.soon();
  }

  /** Gives up the question that is under way. */
  giveUp(): void {
    this.#abort?.abort();
    this.#abort = undefined;
  }

  /** Asks no more for reasons that came so far. */
  rest(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
  }
}
