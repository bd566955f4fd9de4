import { hash, randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { ConfirmPasswordReset } from "@warren/contracts/rest/password-reset";
import { sql } from "kysely";
import type { AccountEvents } from "../audit/account-events.ts";
import type { AccessChanges } from "../auth/access-changes.ts";
import type { Db } from "../database/tables.ts";
import type { DetachedOperations } from "../detached-operations.ts";
import type { Logger } from "../logging.ts";
import { passwordResetMail } from "../mail/mail-texts.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import { normalizeEmail } from "../users/email.ts";
import type { PasswordHasher } from "../users/passwords.ts";
import type { UserStore } from "../users/user-store.ts";

/** Minutes for which the link of a mail is valid. */
const VALID_MINUTES = 15;
/** Rows in the past that one request removes. */
const PRUNED = 4;

/** The sessions of users. */
export interface EndedSessions {
  /** Ends all sessions of a user. `db` may be a transaction. */
  endAll(userId: string, options: { db: Db }): Promise<void>;
}

/** What the service needs. */
export interface PasswordResetParts {
  db: Db;
  users: UserStore;
  memberships: MembershipStore;
  sessions: EndedSessions;
  hasher: PasswordHasher;
  limiter: RateLimiter;
  operations: DetachedOperations;
  changes: AccessChanges;
  audit: AccountEvents;
  /** Absent = this server sends no mails. */
  mailer?: Mailer;
  /** Address of the dashboard for browsers, which alone is in mails, without a slash at the end. */
  dashboardUrl: string;
  log: Logger;
}

/** Lets whoever reads the mails to an account's address set a new password. */
export class PasswordReset {
  readonly #parts: PasswordResetParts;

  constructor(parts: PasswordResetParts) {
    this.#parts = parts;
  }

  /** Whether this server can send the mails. */
  get isOffered(): boolean {
    return this.#parts.mailer !== undefined;
  }

  /**
   * Sends a mail to an address that has an account. Nobody learns whether it has one: the account is looked up and the mail
   * sent in the background, after the answer.
   */
  async request(address: string): Promise<void> {
    const { mailer, limiter, operations, log } = this.#parts;
    if (!mailer) {
      throw new WarrenError(
        "mail_not_configured",
        "this server sends no mails: its operator sets a new password with `warren admin password`",
      );
    }
    const email = normalizeEmail(address);
    await limiter.take("reset password of", email, RATES.resetPassword.account);
    void operations.track(this.#send(mailer, email)).catch((error: unknown) => {
      // The mailer has written its own reasons to the log.
      if (!(error instanceof WarrenError)) log.error({ err: error }, "a mail for a new password was not sent");
    });
  }

  /** Sets the password and ends all sessions; throws `link_invalid` unless the token is that of a mail of the last minutes. */
  async confirm({ token, password }: ConfirmPasswordReset): Promise<void> {
    const { db, users, memberships, sessions, hasher, limiter, changes, audit } = this.#parts;
    const tokenHash = hashOf(token);
    // Before a password is hashed: that work is for whoever has a link.
    const known = await db
      .selectFrom("password_resets")
      .select("user_id")
      .where("token_hash", "=", tokenHash)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    if (!known) throw invalidLink();
    const passwordHash = await hasher.hash(password);
    const user = await db.transaction().execute(async (transaction) => {
      // The user before the row, as all who lock both. Of requests at the same moment, at whichever control planes, one finds
      // the row.
      const user = await users.lock(known.user_id, transaction);
      const { numDeletedRows } = await transaction
        .deleteFrom("password_resets")
        .where("token_hash", "=", tokenHash)
        .where("expires_at", ">", sql<Date>`now()`)
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n || !user || user.deactivated_at !== null) throw invalidLink();
      await users.setPasswordHash(user.id, passwordHash, transaction);
      await sessions.endAll(user.id, { db: transaction });
      const team = await memberships.firstTeam(user.id, transaction);
      await audit.passwordReset(transaction, user, team?.id);
      if (user.email_verified_at === null) {
        // Whoever made the account had not shown that the address is theirs, and may be somebody else.
        await users.removeIdentities(user.id, transaction);
        await users.setEmailVerified(user.id, user.email, transaction);
      }
      return user;
    });
    changes.announce({ userId: user.id });
    await limiter.reset("log in as", user.email);
  }

  /** Links of earlier mails stay valid: anybody may ask for more, and their number is bounded by the rate of the address. */
  async #send(mailer: Mailer, email: string): Promise<void> {
    const { db, users, dashboardUrl } = this.#parts;
    const user = await users.findByEmail(email);
    if (!user || user.deactivated_at !== null) return;
    const token = randomBytes(32).toString("base64url");
    await sql`
      with pruned as (
        delete from password_resets where token_hash in (
          select token_hash from password_resets where expires_at < now()
          order by expires_at limit ${PRUNED} for update skip locked
        )
      )
      insert into password_resets (token_hash, user_id, expires_at)
      values (${hashOf(token)}, ${user.id}, now() + ${VALID_MINUTES} * interval '1 minute')
    `.execute(db);
    const { subject, text } = passwordResetMail(user.email, dashboardUrl, token, VALID_MINUTES);
    await mailer.send(user.email, subject, text);
  }
}

function hashOf(token: string): string {
  return hash("sha256", token);
}

function invalidLink(): WarrenError {
  return new WarrenError(
    "link_invalid",
    `this link is over: it was used, is older than ${VALID_MINUTES} minutes, or the password was set since; ask for another mail`,
  );
}
