import { RateLimited } from "../rate-limits/rate-limited.ts";

/** Seconds after which a client may try again when the disk is taken by uploads of others. */
const RETRY_SEC = 5;

/** Bounds the bytes that wait on the disk at once, by the keys under which they are counted and altogether. */
export class SpoolBudget {
  readonly #mostPerKey: number;
  readonly #mostOfAll: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(limits: { spoolBytes: number; spoolBytesOfAll: number }) {
    this.#mostPerKey = limits.spoolBytes;
    this.#mostOfAll = limits.spoolBytesOfAll;
  }

  /** Passes content on, counts it under each of the keys, and throws `rate_limited` when that is too much. */
  async *count(keys: readonly string[], content: AsyncIterable<Uint8Array>, taken: { bytes: number }) {
    for await (const chunk of content) {
      const isTooMuch = keys.some((key) => (this.#taken.get(key) ?? 0) + chunk.length > this.#mostPerKey);
      if (isTooMuch || this.#all + chunk.length > this.#mostOfAll) {
        throw new RateLimited("too many uploads wait for their path; send the path before the file", RETRY_SEC);
      }
      for (const key of keys) this.#taken.set(key, (this.#taken.get(key) ?? 0) + chunk.length);
      this.#all += chunk.length;
      taken.bytes += chunk.length;
      yield chunk;
    }
  }

  /** Gives back what `count` has taken. */
  release(keys: readonly string[], { bytes }: { bytes: number }): void {
    this.#all -= bytes;
    for (const key of keys) {
      const left = (this.#taken.get(key) ?? 0) - bytes;
      if (left > 0) this.#taken.set(key, left);
      else this.#taken.delete(key);
    }
  }
}
