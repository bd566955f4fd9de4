import { randomUUID } from "node:crypto";
import type { PlatformPermission } from "@warren/contracts/rest/admin";
import { sql } from "kysely";
import type { ALL_RIGHTS } from "../audit/account-events.ts";
import type { Db } from "../database/tables.ts";

/** Rows that concern the whole platform. `db` may be a transaction everywhere. */
export class PlatformStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Whether a user administers the platform or has one right on it, which is never `all`. */
  async isAllowed(userId: string, permission: PlatformPermission | typeof ALL_RIGHTS): Promise<boolean> {
    const { rows } = await sql`
      select from users where id = ${userId} and deactivated_at is null and (
        is_admin or exists (select from admin_permissions where user_id = users.id and permission = ${permission})
      )
    `.execute(this.#db);
    return rows.length > 0;
  }

  async hasAdmin(db: Db = this.#db): Promise<boolean> {
    return (await db.selectFrom("users").select("id").where("is_admin", "=", true).executeTakeFirst()) !== undefined;
  }

  /**
   * Lets a user administer the platform, and own the teams that have no member; or no longer, which takes single rights
   * too.
   */
  async setAdministrator(userId: string, isAdmin: boolean, transaction: Db): Promise<void> {
    await transaction
      .updateTable("users")
      .set({ is_admin: isAdmin, updated_at: sql`now()` })
      .where("id", "=", userId)
      .execute();
    if (isAdmin) {
      await this.takeOverTeams(userId, transaction);
      await this.endSetupLink(transaction);
    } else {
      await transaction.deleteFrom("admin_permissions").where("user_id", "=", userId).execute();
    }
  }

  /** Ends the link to the page that makes the first account. */
  async endSetupLink(transaction: Db): Promise<void> {
    await transaction.deleteFrom("setup_link").execute();
  }

  async addPermission(userId: string, permission: PlatformPermission, db: Db): Promise<void> {
    await db
      .insertInto("admin_permissions")
      .values({ id: randomUUID(), user_id: userId, permission })
      .onConflict((conflict) => conflict.columns(["user_id", "permission"]).doNothing())
      .execute();
  }

  async removePermission(userId: string, permission: PlatformPermission, db: Db): Promise<void> {
    await db
      .deleteFrom("admin_permissions")
      .where("user_id", "=", userId)
      .where("permission", "=", permission)
      .execute();
  }

  /**
   * Makes a user the owner of the live teams that have no member, such as the one of the server's first start, and the
   * first of them the team to which the user signs in.
   */
  async takeOverTeams(userId: string, transaction: Db): Promise<void> {
    const { rows } = await sql<{ team_id: string }>`
      insert into users_teams (user_id, team_id, role)
      select ${userId}::uuid, id, 'owner' from teams
      where deleted_at is null and not exists (select from users_teams where team_id = teams.id)
      order by created_at
      returning team_id
    `.execute(transaction);
    const [first] = rows;
    if (!first) return;
    // One statement would meet two default teams in between.
    for (const isDefault of [false, true]) {
      await transaction
        .updateTable("users_teams")
        .set({ is_default: isDefault })
        .where("user_id", "=", userId)
        .where("team_id", isDefault ? "=" : "!=", first.team_id)
        .execute();
    }
  }

  /** UUID of the live team with a slug. */
  async findTeamBySlug(slug: string): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom("teams")
      .select("id")
      .where("slug", "=", slug)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    return row?.id;
  }

  /** Sets whether a live team brings its own hosts; false when there is no such team. */
  async setByoc(teamId: string, isByoc: boolean, db: Db): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable("teams")
      .set({ is_byoc: isByoc })
      .where("id", "=", teamId)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }
}
