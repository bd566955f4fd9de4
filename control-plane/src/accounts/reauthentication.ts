import { WarrenError } from "@warren/contracts/errors";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import type { UserRow } from "../users/user-store.ts";

/** Minutes for which a log-in counts as recent. */
const RECENT_MINUTES = 10;

/** The sessions of users. */
export interface SessionAges {
  /** Whether a session was opened in the last minutes. */
  isRecent(id: string, minutes: number): Promise<boolean>;
}

/**
 * Has whoever holds a session show anew that the account is theirs, before what a stolen session must not be enough for. All
 * that asks for it shares one rate, since each is a way to guess the password.
 */
export class Reauthentication {
  readonly #hasher: PasswordHasher;
  readonly #limiter: RateLimiter;
  readonly #sessions: SessionAges;

  constructor(hasher: PasswordHasher, limiter: RateLimiter, sessions: SessionAges) {
    this.#hasher = hasher;
    this.#limiter = limiter;
    this.#sessions = sessions;
  }

  /**
   * Throws `forbidden` unless `password`, which came in `field`, is that of the account, and `recent_login_required` when the
   * account has none and the session is older.
   */
  async require(user: UserRow, sessionId: string, password: string | undefined, field: string): Promise<void> {
    await this.#limiter.take("change password of", user.id, RATES.changePassword.account);
    if (user.password_hash === null) {
      if (await this.#sessions.isRecent(sessionId, RECENT_MINUTES)) return;
      throw new WarrenError(
        "recent_login_required",
        `the account has no password, so this takes a log-in of the last ${RECENT_MINUTES} minutes: sign in again`,
      );
    }
    if (password === undefined) {
      throw new WarrenError("forbidden", `the account has a password: ${field} is required`);
    }
    if (!(await this.#hasher.verify(user.password_hash, password))) {
      throw new WarrenError("forbidden", `${field} is not the password of this account`);
    }
  }
}
