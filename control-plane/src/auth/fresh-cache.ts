import { LRUCache } from "lru-cache";

/** A value and the monotonic time, in milliseconds, before which nobody had read it. */
interface Entry<V> {
  value: V;
  readAt: number;
}

/**
 * Reuses what was read from the database for a short time. No caller gets a value that was read more than `maxAgeMs`
 * ago, counted from the start of the query, so that a change made elsewhere is seen within that time. Concurrent reads
 * of one key share one query. Absent values are not kept.
 */
export class FreshCache<V extends object> {
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #entries: LRUCache<string, Entry<V>>;
  readonly #reads = new Map<string, Promise<V | undefined>>();

  constructor(options: { maxAgeMs: number; maxEntries: number; now?: () => number }) {
    this.#maxAgeMs = options.maxAgeMs;
    this.#now = options.now ?? (() => performance.now());
    this.#entries = new LRUCache({ max: options.maxEntries });
  }

  /** The value of a key: a fresh one, or what `read` resolves to. */
  async get(key: string, read: (key: string) => Promise<V | undefined>): Promise<V | undefined> {
    const entry = this.#entries.get(key);
    if (entry && this.#now() - entry.readAt < this.#maxAgeMs) return entry.value;
    return this.#reads.get(key) ?? this.#read(key, read);
  }

  /** Drops the values that match, at once. What is being read at this moment is not kept, nor given to later callers. */
  forget(matches: (value: V) => boolean): void {
    this.#reads.clear();
    for (const [key, entry] of this.#entries.entries()) if (matches(entry.value)) this.#entries.delete(key);
  }

  #read(key: string, read: (key: string) => Promise<V | undefined>): Promise<V | undefined> {
    const readAt = this.#now();
    const reading = read(key)
      .then((value) => {
        if (this.#reads.get(key) !== reading) return value;
        if (value === undefined) this.#entries.delete(key);
        else this.#entries.set(key, { value, readAt });
        return value;
      })
      .finally(() => {
        if (this.#reads.get(key) === reading) this.#reads.delete(key);
      });
    this.#reads.set(key, reading);
    return reading;
  }
}
