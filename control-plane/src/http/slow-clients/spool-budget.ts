import { Budget, type Claim } from "@warren/server/budget";
import { RateLimited } from "../../rate-limits/rate-limited.ts";

/** Seconds after which a client may try again when the disk is taken by uploads of others. */
const RETRY_SEC = 5;

/** Bounds the bytes that wait on the disk at once, by the keys under which they are counted and altogether. */
export class SpoolBudget {
  readonly #mostPerKey: number;
  readonly #budget: Budget;

  constructor(limits: { spoolBytes: number; spoolBytesOfAll: number }) {
    this.#mostPerKey = limits.spoolBytes;
    this.#budget = new Budget(limits.spoolBytesOfAll);
  }

  /** Passes content on, counts it under each of the keys, and throws `rate_limited` when that is too much. */
  async *count(keys: readonly string[], content: AsyncIterable<Uint8Array>, taken: { bytes: number }) {
    const claims = this.#claims(keys);
    for await (const chunk of content) {
      if (!this.#budget.take(claims, chunk.length)) {
        throw new RateLimited("too many uploads wait for their path; send the path before the file", RETRY_SEC);
      }
      taken.bytes += chunk.length;
      yield chunk;
    }
  }

  /** Gives back what `count` has taken. */
  release(keys: readonly string[], { bytes }: { bytes: number }): void {
    this.#budget.release(this.#claims(keys), bytes);
  }

  #claims(keys: readonly string[]): Claim[] {
    return keys.map((owner) => ({ owner, most: this.#mostPerKey }));
  }
}
