import { randomUUID } from "node:crypto";
import { LIMITS } from "@warren/contracts/limits";
import { type Selectable, sql } from "kysely";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { requireActive } from "../users/require-active.ts";
import type { SessionClient } from "./session-client.ts";
import type { UserSessionsTable } from "./user-sessions-table.ts";
import type { UserTokenIds } from "./user-tokens.ts";

/** Hours for which a session lasts without renewal. */
const SESSION_HOURS = 6;
/** Days for which a session can be renewed. */
const LONGEST_DAYS = 7;

const END = sql<Date>`now() + ${SESSION_HOURS} * interval '1 hour'`;

/** A row of `user_sessions`. */
export type SessionRow = Selectable<UserSessionsTable>;

/** Rows of sessions. */
export class SessionStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Who a token stands for at this moment, in one query; undefined when the session has ended. Throws
   * `account_deactivated`.
   */
  async findUser({ sessionId, userId, teamId }: UserTokenIds): Promise<SignedInUser | undefined> {
    const row = await this.#db
      .selectFrom("user_sessions as session")
      .innerJoin("users as user", "user.id", "session.user_id")
      .leftJoin("users_teams as membership", (join) =>
        join.onRef("membership.user_id", "=", "user.id").on("membership.team_id", "=", teamId),
      )
      .leftJoin("teams as team", (join) =>
        join.onRef("team.id", "=", "membership.team_id").on("team.deleted_at", "is", null),
      )
      .select(["user.id", "user.name", "user.email", "user.is_admin", "membership.role", "team.id as team_id"])
      .select(["session.expires_at", "user.deactivated_at"])
      .where("session.id", "=", sessionId)
      .where("session.user_id", "=", userId)
      .where("session.expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    if (!row) return undefined;
    requireActive(row);
    return {
      kind: "user",
      userId: row.id,
      userName: row.name,
      email: row.email,
      isAdmin: row.is_admin,
      sessionId,
      expiresAt: row.expires_at,
      ...(row.team_id !== null && row.role !== null ? { team: { id: row.team_id, role: row.role } } : {}),
    };
  }

  /** Opens a session and removes those of the user that have expired. `db` may be a transaction. */
  async open(userId: string, client: SessionClient, db: Db = this.#db): Promise<{ id: string; expiresAt: Date }> {
    const { id, expires_at } = await db
      .with("expired", (query) =>
        query.deleteFrom("user_sessions").where("user_id", "=", userId).where("expires_at", "<=", sql<Date>`now()`),
      )
      .insertInto("user_sessions")
      .values({
        id: randomUUID(),
        user_id: userId,
        expires_at: END,
        user_agent: client.userAgent,
        address: client.address,
      })
      .returning(["id", "expires_at"])
      .executeTakeFirstOrThrow();
    return { id, expiresAt: expires_at };
  }

  /** Lets a session last as long as a new one, within its greatest age; undefined when it has ended. */
  async renew(id: string): Promise<Date | undefined> {
    const row = await this.#db
      .updateTable("user_sessions")
      .set({ expires_at: sql<Date>`least(${END}, created_at + ${LONGEST_DAYS} * interval '1 day')` })
      .where("id", "=", id)
      .where("expires_at", ">", sql<Date>`now()`)
      .returning("expires_at")
      .executeTakeFirst();
    return row?.expires_at;
  }

  /** Those of a user that have not ended, the last used first. */
  async list(userId: string): Promise<SessionRow[]> {
    return this.#db
      .selectFrom("user_sessions")
      .selectAll()
      .where("user_id", "=", userId)
      .where("expires_at", ">", sql<Date>`now()`)
      .orderBy("last_used_at", "desc")
      .orderBy("id")
      .limit(LIMITS.listedSessions)
      .execute();
  }

  /** UUID of the user of a session that has not ended. */
  async userIdOf(id: string, db: Db): Promise<string | undefined> {
    const row = await db
      .selectFrom("user_sessions")
      .select("user_id")
      .where("id", "=", id)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    return row?.user_id;
  }

  /** Whether a session was opened in the last minutes. */
  async isRecent(id: string, minutes: number): Promise<boolean> {
    const row = await this.#db
      .selectFrom("user_sessions")
      .select("id")
      .where("id", "=", id)
      .where("created_at", ">", sql<Date>`now() - ${minutes} * interval '1 minute'`)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Ends one session of a user; false when the user has no such session. `db` may be a transaction. */
  async endOf(userId: string, id: string, db: Db = this.#db): Promise<boolean> {
    const { numDeletedRows } = await db
      .deleteFrom("user_sessions")
      .where("id", "=", id)
      .where("user_id", "=", userId)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Notes when sessions were used last, by id. */
  async writeLastUsed(times: ReadonlyMap<string, Date>): Promise<void> {
    const at = [...times.values()].map((time) => time.toISOString());
    await sql`
      update user_sessions set last_used_at = greatest(last_used_at, used.at)
      from unnest(${[...times.keys()]}::uuid[], ${at}::timestamptz[]) as used (id, at) where user_sessions.id = used.id
    `.execute(this.#db);
  }

  /** Ends all sessions of a user, except one. `db` may be a transaction. */
  async endAll(userId: string, options: { except?: string; db?: Db } = {}): Promise<void> {
    let query = (options.db ?? this.#db).deleteFrom("user_sessions").where("user_id", "=", userId);
    if (options.except !== undefined) query = query.where("id", "!=", options.except);
    await query.execute();
  }
}
