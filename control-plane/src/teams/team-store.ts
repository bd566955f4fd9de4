import { randomBytes, randomUUID } from "node:crypto";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import { type Selectable, sql, type Updateable } from "kysely";
import type { Db } from "../database/tables.ts";
import type { TeamsTable } from "./teams-table.ts";

/** A row of `teams`. */
export type TeamRow = Selectable<TeamsTable>;

/** Rows of teams. `db` may be a transaction everywhere. */
export class TeamStore {
  readonly #db: Db;
  readonly #newSlug: () => string;

  constructor(db: Db, newSlug: () => string = randomSlug) {
    this.#db = db;
    this.#newSlug = newSlug;
  }

  /** Whether no team was ever made. */
  async isEmpty(db: Db = this.#db): Promise<boolean> {
    return (await db.selectFrom("teams").select("id").limit(1).executeTakeFirst()) === undefined;
  }

  /** Makes a team with a slug of its own; returns its UUID. */
  async insert(name: string, db: Db = this.#db): Promise<string> {
    for (;;) {
      const id = randomUUID();
      const row = await db
        .insertInto("teams")
        .values({ id, name, slug: this.#newSlug() })
        .onConflict((conflict) => conflict.column("slug").doNothing())
        .returning("id")
        .executeTakeFirst();
      if (row) return row.id;
    }
  }

  async findLive(id: string, db: Db = this.#db): Promise<TeamRow | undefined> {
    return db.selectFrom("teams").selectAll().where("id", "=", id).where("deleted_at", "is", null).executeTakeFirst();
  }

  /** Those of many teams that are live. */
  async findEach(ids: string[]): Promise<TeamRow[]> {
    return this.#db
      .selectFrom("teams")
      .selectAll()
      .where(sql<boolean>`id = any(${ids}::uuid[])`)
      .where("deleted_at", "is", null)
      .execute();
  }

  /**
   * As `findLive`, and holds back everyone else who locks the team until the transaction ends. Rows may still refer to
   * the team meanwhile.
   */
  async lockLive(id: string, transaction: Db): Promise<TeamRow | undefined> {
    return transaction
      .selectFrom("teams")
      .selectAll()
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .forNoKeyUpdate()
      .executeTakeFirst();
  }

  /** Live teams of a user, in the order of joining, and the user's role in each. */
  async listOf(userId: string): Promise<(TeamRow & { role: TeamRole })[]> {
    return this.#db
      .selectFrom("users_teams as membership")
      .innerJoin("teams as team", "team.id", "membership.team_id")
      .selectAll("team")
      .select("membership.role")
      .where("membership.user_id", "=", userId)
      .where("team.deleted_at", "is", null)
      .orderBy("membership.created_at")
      .orderBy("team.id")
      .execute();
  }

  /** Number of live teams that a user owns. */
  async countOwned(userId: string, db: Db): Promise<number> {
    const { count } = await db
      .selectFrom("users_teams as membership")
      .innerJoin("teams as team", "team.id", "membership.team_id")
      .select(sql<number>`count(*)`.as("count"))
      .where("membership.user_id", "=", userId)
      .where("membership.role", "=", "owner")
      .where("team.deleted_at", "is", null)
      .executeTakeFirstOrThrow();
    return count;
  }

  async update(
    id: string,
    fields: Pick<Updateable<TeamsTable>, "name" | "api_keys_by_admins" | "audit_exec">,
    db: Db,
  ): Promise<void> {
    await db.updateTable("teams").set(fields).where("id", "=", id).execute();
  }

  /** Marks a team deleted; its slug stays taken. */
  async markDeleted(id: string, db: Db): Promise<void> {
    await db.updateTable("teams").set({ deleted_at: sql`now()` }).where("id", "=", id).execute();
  }
}

/** Twelve random hex digits as `xxxxxx-xxxxxx`. */
function randomSlug(): string {
  const hex = randomBytes(6).toString("hex");
  return `${hex.slice(0, 6)}-${hex.slice(6)}`;
}
