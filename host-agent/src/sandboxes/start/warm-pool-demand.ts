/** Milliseconds for which a use counts as demand. */
const WINDOW_MS = 600_000;
/** Milliseconds for which uses of a snapshot count as none that is to be ignored. */
const IGNORED_MS = 300_000;

/** What may stand ready. */
export interface WarmPoolLimits {
  /** Sandboxes of each snapshot in use at most; 0 = none. */
  size: number;
  /** MiB of guest memory that all of them may have together. */
  memoryMb: number;
}

export interface DemandLimits extends WarmPoolLimits {
  /** MiB of guest memory up to which one use is demand enough; of a larger sandbox the second one is. */
  ordinaryMb: number;
}

interface Uses {
  /** MiB of guest memory of one sandbox. */
  memoryMb: number;
  /** Times of the uses, the latest last; no more than could matter. */
  times: number[];
}

/**
 * How many sandboxes of each snapshot should stand ready: as many as were started in the last ten minutes, within the
 * limits. Where memory does not suffice for all, the snapshot that was used last comes first.
 */
export class WarmPoolDemand {
  readonly #limits: DemandLimits;
  /** By snapshot, in the order of their last use. */
  readonly #uses = new Map<string, Uses>();
  /** Until when uses are ignored, by snapshot, the earliest first. */
  readonly #ignored = new Map<string, number>();

  constructor(limits: DemandLimits) {
    this.#limits = limits;
  }

  /** A sandbox of `memoryMb` MiB was started from a snapshot; times are those of performance.now(). */
  used(snapshot: string, memoryMb: number, now: number): void {
    if ((this.#ignored.get(snapshot) ?? 0) > now) return;
    const times = [...(this.#uses.get(snapshot)?.times ?? []), now].slice(-this.#limits.size - 1);
    this.#uses.delete(snapshot);
    this.#uses.set(snapshot, { memoryMb, times });
  }

  /** Forgets a snapshot, and leaves its uses in the next minutes out of account. */
  ignore(snapshot: string, now: number): void {
    for (const [id, until] of this.#ignored) if (until <= now) this.#ignored.delete(id);
    this.forget(snapshot);
    this.#ignored.delete(snapshot);
    this.#ignored.set(snapshot, now + IGNORED_MS);
  }

  forget(snapshot: string): void {
    this.#uses.delete(snapshot);
  }

  clear(): void {
    this.#uses.clear();
  }

  /** The number of sandboxes that should stand ready, by snapshot; one that is not named should have none. */
  wanted(now: number): Map<string, number> {
    const wanted = new Map<string, number>();
    let free = this.#limits.memoryMb;
    for (const [snapshot, { memoryMb, times }] of [...this.#uses].reverse()) {
      const uses = times.filter((time) => now - time < WINDOW_MS).length;
      if (uses === 0) this.#uses.delete(snapshot);
      const demand = memoryMb > this.#limits.ordinaryMb ? uses - 1 : uses;
      const count = Math.min(demand, this.#limits.size, Math.floor(free / memoryMb));
      if (count <= 0) continue;
      wanted.set(snapshot, count);
      free -= count * memoryMb;
    }
    return wanted;
  }

  /** Milliseconds until `wanted` may change by the passing of time alone; undefined = never. */
  changesIn(now: number): number | undefined {
    const times = [...this.#uses.values()].flatMap((uses) => uses.times).filter((time) => now - time < WINDOW_MS);
    return times.length === 0 ? undefined : Math.min(...times) + WINDOW_MS - now;
  }
}
