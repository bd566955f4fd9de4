import type { Db } from "../database/tables.ts";
import type { UserRow } from "../users/user-store.ts";

/** Rows of identities at OAuth providers. */
export class IdentityStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The user who has an identity. */
  async findUser(provider: string, providerId: string): Promise<UserRow | undefined> {
    return this.#db
      .selectFrom("oauth_providers as identity")
      .innerJoin("users as user", "user.id", "identity.user_id")
      .selectAll("user")
      .where("identity.provider", "=", provider)
      .where("identity.provider_id", "=", providerId)
      .executeTakeFirst();
  }

  /** Identities of a user, one at each provider. */
  async listOf(userId: string, db: Db = this.#db): Promise<{ provider: string; email: string; created_at: Date }[]> {
    return db
      .selectFrom("oauth_providers")
      .select(["provider", "email", "created_at"])
      .where("user_id", "=", userId)
      .orderBy("provider")
      .execute();
  }

  async remove(userId: string, provider: string, db: Db): Promise<void> {
    await db.deleteFrom("oauth_providers").where("user_id", "=", userId).where("provider", "=", provider).execute();
  }

  /** Stores an identity; a unique violation means that somebody has it. */
  async insert(
    identity: { provider: string; providerId: string; userId: string; email: string },
    transaction: Db,
  ): Promise<void> {
    await transaction
      .insertInto("oauth_providers")
      .values({
        provider: identity.provider,
        provider_id: identity.providerId,
        user_id: identity.userId,
        email: identity.email,
      })
      .execute();
  }
}
