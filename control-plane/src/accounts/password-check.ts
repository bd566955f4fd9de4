import { WarrenError } from "@warren/contracts/errors";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import type { UserRow } from "../users/user-store.ts";

/**
 * Has whoever holds a session show the password again. Everything that asks for it shares one rate, since each is a way
 * to guess it.
 */
export class PasswordCheck {
  readonly #hasher: PasswordHasher;
  readonly #limiter: RateLimiter;

  constructor(hasher: PasswordHasher, limiter: RateLimiter) {
    this.#hasher = hasher;
    this.#limiter = limiter;
  }

  /** Throws `forbidden` unless `password`, which came in `field`, is that of the account; an account without one passes. */
  async require(user: UserRow, password: string | undefined, field: string): Promise<void> {
    await this.#limiter.take("change password of", user.id, RATES.changePassword.account);
    if (user.password_hash === null) return;
    if (password === undefined) {
      throw new WarrenError("forbidden", `the account has a password: ${field} is required`);
    }
    if (!(await this.#hasher.verify(user.password_hash, password))) {
      throw new WarrenError("forbidden", `${field} is not the password of this account`);
    }
  }
}
