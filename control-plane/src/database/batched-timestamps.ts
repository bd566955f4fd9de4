import type { Logger } from "../logging.ts";

/** Milliseconds between two writes of one batch. */
const DEFAULT_INTERVAL_MS = 5000;

/**
 * Collects "last used" times by key and writes them together, the latest per key. A batch that cannot be written is
 * kept and joined with the next one.
 */
export class BatchedTimestamps {
  readonly #write: (times: ReadonlyMap<string, Date>) => Promise<void>;
  readonly #log: Logger;
  readonly #intervalMs: number;
  #pending = new Map<string, Date>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    write: (times: ReadonlyMap<string, Date>) => Promise<void>,
    log: Logger,
    intervalMs = DEFAULT_INTERVAL_MS,
  ) {
    this.#write = write;
    this.#log = log;
    this.#intervalMs = intervalMs;
  }

  /** Notes that `key` was used now. */
  touch(key: string): void {
    this.#pending.set(key, new Date());
    this.#schedule();
  }

  /** Writes what is pending; resolves when it is written or the attempt has failed. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush());
    return this.#writing;
  }

  /** Writes what is pending and stops the timer. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, this.#intervalMs);
    this.#timer.unref();
  }

  async #flush(): Promise<void> {
    if (this.#pending.size === 0) return;
    const batch = this.#pending;
    this.#pending = new Map();
    try {
      await this.#write(batch);
    } catch (error) {
      this.#log.error({ err: error }, "times of last use could not be written; they are kept for the next attempt");
      for (const [key, time] of batch) if (!this.#pending.has(key)) this.#pending.set(key, time);
      this.#schedule();
    }
  }
}
