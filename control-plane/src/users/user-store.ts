import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { type Selectable, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type {} from "./password-resets-table.ts";
import type { UsersTable } from "./users-table.ts";

/** A row of `users`. */
export type UserRow = Selectable<UsersTable>;

/** A user to be stored. */
export interface NewUser {
  email: string;
  name: string;
  passwordHash: string | null;
  isAdmin?: boolean;
  /** Whether a provider has vouched for the address. */
  isEmailVerified?: boolean;
}

/** Rows of users. Addresses are in their stored form. */
export class UserStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Stores a user; throws `email_taken` when the address has one. `db` may be a transaction. */
  async insert(user: NewUser, db: Db = this.#db): Promise<UserRow> {
    try {
      return await db
        .insertInto("users")
        .values({
          id: randomUUID(),
          email: user.email,
          name: user.name,
          password_hash: user.passwordHash,
          is_admin: user.isAdmin ?? false,
          email_verified_at: user.isEmailVerified ? sql<Date>`now()` : null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
    } catch (error) {
      if (isUniqueViolation(error)) {
        throw new WarrenError("email_taken", "this e-mail address has an account; sign in", { cause: error });
      }
      throw error;
    }
  }

  /** Whether there is any user. */
  async any(): Promise<boolean> {
    return (await this.#db.selectFrom("users").select("id").limit(1).executeTakeFirst()) !== undefined;
  }

  async find(id: string, db: Db = this.#db): Promise<UserRow | undefined> {
    return db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** As `find`, and nobody else changes the user, or makes a row that refers to them, until the transaction ends. */
  async lock(id: string, transaction: Db): Promise<UserRow | undefined> {
    return transaction.selectFrom("users").selectAll().where("id", "=", id).forUpdate().executeTakeFirst();
  }

  /** As `find`, and nobody changes the user until the transaction ends. */
  async hold(id: string, transaction: Db): Promise<UserRow | undefined> {
    return transaction.selectFrom("users").selectAll().where("id", "=", id).forShare().executeTakeFirst();
  }

  /** Shuts a user out, or no longer. */
  async setDeactivated(id: string, isDeactivated: boolean, db: Db): Promise<void> {
    const at = isDeactivated ? sql<Date>`coalesce(deactivated_at, now())` : null;
    await db.updateTable("users").set({ deactivated_at: at, updated_at: sql`now()` }).where("id", "=", id).execute();
  }

  /** Removes a user with all that is theirs alone: memberships, sessions, identities at providers, rights. */
  async remove(id: string, transaction: Db): Promise<void> {
    await transaction.deleteFrom("users").where("id", "=", id).execute();
  }

  async findByEmail(email: string, db: Db = this.#db): Promise<UserRow | undefined> {
    return db.selectFrom("users").selectAll().where("email", "=", email).executeTakeFirst();
  }

  async setName(id: string, name: string): Promise<void> {
    await this.#db.updateTable("users").set({ name, updated_at: sql`now()` }).where("id", "=", id).execute();
  }

  /** The user has shown that an address is theirs; false when it is not the account's. */
  async setEmailVerified(id: string, email: string, db: Db): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable("users")
      .set({ email_verified_at: sql`now()`, updated_at: sql`now()` })
      .where("id", "=", id)
      .where("email", "=", email)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Sets the password; links of mails that would set another are worth nothing from now on. */
  async setPasswordHash(id: string, passwordHash: string, db: Db = this.#db): Promise<void> {
    await db
      .updateTable("users")
      .set({ password_hash: passwordHash, updated_at: sql`now()` })
      .where("id", "=", id)
      .execute();
    await db.deleteFrom("password_resets").where("user_id", "=", id).execute();
  }

  /** Replaces the hash of a password by another of the same one, unless the user has another password meanwhile. */
  async renewPasswordHash(id: string, former: string, renewed: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("users")
      .set({ password_hash: renewed })
      .where("id", "=", id)
      .where("password_hash", "=", former)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Unlinks a user from all OAuth providers. */
  async removeIdentities(id: string, db: Db): Promise<void> {
    await db.deleteFrom("oauth_providers").where("user_id", "=", id).execute();
  }

  /** Names of the OAuth providers through which a user signs in. */
  async providersOf(id: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom("oauth_providers")
      .select("provider")
      .where("user_id", "=", id)
      .orderBy("provider")
      .execute();
    return rows.map((row) => row.provider);
  }
}
