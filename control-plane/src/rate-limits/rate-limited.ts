import { WarrenError } from "@warren/contracts/errors";

/** Refusal of an attempt that comes too soon. */
export class RateLimited extends WarrenError {
  /** Whole seconds after which the next attempt is accepted, at least 1; the header `Retry-After`. */
  readonly retryAfterSec: number;

  constructor(what: string, retryAfterSec: number) {
    const seconds = Math.max(1, Math.ceil(retryAfterSec));
    super("rate_limited", `${what}; try again in ${seconds} s`);
    this.retryAfterSec = seconds;
  }
}
