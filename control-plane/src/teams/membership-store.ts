import type { TeamRole } from "@warren/contracts/rest/accounts";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";

/** A live team of a user and the user's role in it. */
export interface TeamOfUser {
  id: string;
  role: TeamRole;
}

/** A member as the list of a team shows it. */
export interface MemberRow {
  user_id: string;
  name: string;
  email: string;
  email_verified: boolean;
  role: TeamRole;
  created_at: Date;
}

/** Rows of memberships. `db` may be a transaction everywhere. */
export class MembershipStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Stores a membership; returns the time of joining. */
  async insert(
    membership: { userId: string; teamId: string; role: TeamRole; isDefault?: boolean },
    db: Db = this.#db,
  ): Promise<Date> {
    const { created_at } = await db
      .insertInto("users_teams")
      .values({
        user_id: membership.userId,
        team_id: membership.teamId,
        role: membership.role,
        is_default: membership.isDefault ?? false,
      })
      .returning("created_at")
      .executeTakeFirstOrThrow();
    return created_at;
  }

  /** The team to which a user signs in: the default one if it is live, else the live one that the user joined first. */
  async firstTeam(userId: string, db: Db = this.#db): Promise<TeamOfUser | undefined> {
    return db
      .selectFrom("users_teams as membership")
      .innerJoin("teams as team", "team.id", "membership.team_id")
      .select(["team.id", "membership.role"])
      .where("membership.user_id", "=", userId)
      .where("team.deleted_at", "is", null)
      .orderBy("membership.is_default", "desc")
      .orderBy("membership.created_at")
      .orderBy("team.id")
      .limit(1)
      .executeTakeFirst();
  }

  /** Whether a team is live, and the user's role in it. */
  async lookUp(userId: string, teamId: string): Promise<{ live: boolean; role: TeamRole | null }> {
    const row = await this.#db
      .selectFrom("teams as team")
      .leftJoin("users_teams as membership", (join) =>
        join.onRef("membership.team_id", "=", "team.id").on("membership.user_id", "=", userId),
      )
      .select("membership.role")
      .where("team.id", "=", teamId)
      .where("team.deleted_at", "is", null)
      .executeTakeFirst();
    return { live: row !== undefined, role: row?.role ?? null };
  }

  async roleOf(userId: string, teamId: string, db: Db): Promise<TeamRole | undefined> {
    const row = await db
      .selectFrom("users_teams")
      .select("role")
      .where("user_id", "=", userId)
      .where("team_id", "=", teamId)
      .executeTakeFirst();
    return row?.role;
  }

  /** Members of a team in the order in which they joined. */
  async members(teamId: string, db: Db = this.#db): Promise<MemberRow[]> {
    return this.#select(db)
      .where("membership.team_id", "=", teamId)
      .orderBy("membership.created_at")
      .orderBy("membership.user_id")
      .execute();
  }

  /** Those of many teams and users that are there. */
  async findEach(wanted: [teamId: string, userId: string][]): Promise<(MemberRow & { team_id: string })[]> {
    const [teamIds, userIds] = [wanted.map(([teamId]) => teamId), wanted.map(([, userId]) => userId)];
    return this.#select(this.#db)
      .select("membership.team_id")
      .where(
        sql<boolean>`(membership.team_id, membership.user_id) in (select * from unnest(${teamIds}::uuid[], ${userIds}::uuid[]))`,
      )
      .execute();
  }

  /**
   * The live teams of a user, by UUID, which are held as `TeamStore.lockLive` does, always in the same order. `transaction`
   * may see that the user is in further teams afterwards.
   */
  async lockTeamsOf(userId: string, transaction: Db): Promise<ReadonlySet<string>> {
    const rows = await transaction
      .selectFrom("teams")
      .select("id")
      .where("deleted_at", "is", null)
      .where("id", "in", (of) => of.selectFrom("users_teams").select("team_id").where("user_id", "=", userId))
      .orderBy("id")
      .forNoKeyUpdate()
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  async count(teamId: string, db: Db): Promise<number> {
    const { count } = await db
      .selectFrom("users_teams")
      .select(sql<number>`count(*)`.as("count"))
      .where("team_id", "=", teamId)
      .executeTakeFirstOrThrow();
    return count;
  }

  async setRole(userId: string, teamId: string, role: TeamRole, db: Db): Promise<void> {
    await db
      .updateTable("users_teams")
      .set({ role })
      .where("user_id", "=", userId)
      .where("team_id", "=", teamId)
      .execute();
  }

  async remove(userId: string, teamId: string, db: Db): Promise<void> {
    await db.deleteFrom("users_teams").where("user_id", "=", userId).where("team_id", "=", teamId).execute();
  }

  #select(db: Db) {
    return db
      .selectFrom("users_teams as membership")
      .innerJoin("users as user", "user.id", "membership.user_id")
      .select(["membership.user_id", "user.name", "user.email", "membership.role", "membership.created_at"])
      .select(sql<boolean>`"user".email_verified_at is not null`.as("email_verified"));
  }
}
