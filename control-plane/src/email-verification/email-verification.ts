import { hash, randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { sql } from "kysely";
import type { AccountEvents } from "../audit/account-events.ts";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import type { DetachedOperations } from "../detached-operations.ts";
import { verificationMail } from "../mail/mail-texts.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { UserStore } from "../users/user-store.ts";

/** Hours for which the link of a mail is valid. */
const VALID_HOURS = 24;

/** What the service needs. */
export interface EmailVerificationParts {
  db: Db;
  users: UserStore;
  limiter: RateLimiter;
  operations: DetachedOperations;
  audit: AccountEvents;
  /** Absent = this server sends no mails. */
  mailer?: Mailer;
  /** Address of the server for browsers, without a slash at the end. */
  publicUrl: string;
}

/** Whoever has an account. */
interface Addressee {
  id: string;
  email: string;
}

/**
 * Shows that whoever has an account reads the mails to its address: a mail brings a token that only a session of that
 * account can redeem, once. One who signs up with another's address never sees the token, and its owner, whose
 * mail programs may open the link, has no session of that account.
 */
export class EmailVerification {
  readonly #parts: EmailVerificationParts;

  constructor(parts: EmailVerificationParts) {
    this.#parts = parts;
  }

  /** Sends the mail of a new account, in the background: the account is there whether or not mails get through. */
  sendFirst(user: Addressee): void {
    const { mailer, operations } = this.#parts;
    // The mailer has written the reason of a failure to the log, and the user can ask again.
    if (mailer) void operations.track(this.#send(mailer, user)).catch(() => undefined);
  }

  /** Sends a mail with a new token, which replaces those before; does nothing when the address is verified. */
  async request(caller: SignedInUser): Promise<void> {
    const { mailer, users, limiter } = this.#parts;
    if (!mailer)
      throw new WarrenError("mail_not_configured", "this server sends no mails: its operator has configured no SMTP");
    await limiter.take("verify e-mail of", caller.userId, RATES.verifyEmail.account);
    const user = await users.find(caller.userId);
    if (user && user.email_verified_at === null) await this.#send(mailer, user);
  }

  /** Redeems the token of a mail to the caller's own address. */
  async confirm(caller: SignedInUser, token: string): Promise<void> {
    const { db, users, limiter, audit } = this.#parts;
    await limiter.take("confirm e-mail of", caller.userId, RATES.confirmEmail.account);
    await db.transaction().execute(async (transaction) => {
      const row = await transaction
        .deleteFrom("email_verifications")
        .where("token_hash", "=", hashOf(token))
        .where("user_id", "=", caller.userId)
        .where("expires_at", ">", sql<Date>`now()`)
        .returning("email")
        .executeTakeFirst();
      if (!row || !(await users.setEmailVerified(caller.userId, row.email, transaction))) {
        throw new WarrenError(
          "not_found",
          "this link was used already, is older than a day, or is for another account; ask for a new mail",
        );
      }
      await audit.emailVerified(transaction, caller, row.email);
    });
  }

  async #send(mailer: Mailer, { id, email }: Addressee): Promise<void> {
    const { db, publicUrl } = this.#parts;
    const token = randomBytes(32).toString("base64url");
    await db.transaction().execute(async (transaction) => {
      await transaction
        .deleteFrom("email_verifications")
        .where((row) => row.or([row("user_id", "=", id), row("expires_at", "<", sql<Date>`now()`)]))
        .execute();
      await transaction
        .insertInto("email_verifications")
        .values({
          token_hash: hashOf(token),
          user_id: id,
          email,
          expires_at: sql<Date>`now() + ${VALID_HOURS} * interval '1 hour'`,
        })
        .execute();
    });
    const { subject, text } = verificationMail(email, publicUrl, token);
    await mailer.send(email, subject, text);
  }
}

function hashOf(token: string): string {
  return hash("sha256", token);
}
