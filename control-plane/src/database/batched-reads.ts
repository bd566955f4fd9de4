/** Queries under way at which further reads wait for the next one. */
const CONCURRENT_QUERIES = 2;
/** Keys of one query at most. */
const KEYS_PER_QUERY = 200;

/** Callers that wait for one key. */
interface Waiting<V> {
  promise: Promise<V | undefined>;
  resolve(value: V | undefined): void;
  reject(error: unknown): void;
}

/**
 * Reads many keys with one query when many are asked for at once. Reads that come in one turn of the event loop are sent
 * together at its end; those that come while queries are under way share the next one. A key is in one query at a time, so
 * that all who ask for it meanwhile share the one after. Nobody gets what was read before they asked.
 */
export class BatchedReads<V> {
  readonly #read: (keys: string[]) => Promise<ReadonlyMap<string, V>>;
  readonly #next = new Map<string, Waiting<V>>();
  /** Keys of the queries under way. */
  readonly #reading = new Set<string>();
  #running = 0;
  #turn: NodeJS.Immediate | undefined;

  /** `read` resolves to the values that are there. */
  constructor(read: (keys: string[]) => Promise<ReadonlyMap<string, V>>) {
    this.#read = read;
  }

  get(key: string): Promise<V | undefined> {
    let waiting = this.#next.get(key);
    if (!waiting) {
      waiting = Promise.withResolvers<V | undefined>();
      this.#next.set(key, waiting);
      if (this.#running < CONCURRENT_QUERIES) this.#turn ??= setImmediate(this.#endTurn);
    }
    return waiting.promise;
  }

  readonly #endTurn = (): void => {
    this.#turn = undefined;
    if (this.#running < CONCURRENT_QUERIES) void this.#send();
  };

  async #send(): Promise<void> {
    const batch = this.#takeBatch();
    if (batch.size === 0) return;
    this.#running++;
    try {
      const values = await this.#read([...batch.keys()]);
      for (const [key, waiting] of batch) waiting.resolve(values.get(key));
    } catch (error) {
      for (const waiting of batch.values()) waiting.reject(error);
    } finally {
      this.#running--;
      for (const key of batch.keys()) this.#reading.delete(key);
      if (this.#next.size > 0) void this.#send();
    }
  }

  #takeBatch(): Map<string, Waiting<V>> {
    const batch = new Map<string, Waiting<V>>();
    for (const [key, waiting] of this.#next) {
      if (this.#reading.has(key)) continue;
      batch.set(key, waiting);
      this.#next.delete(key);
      this.#reading.add(key);
      if (batch.size === KEYS_PER_QUERY) break;
    }
    return batch;
  }
}
