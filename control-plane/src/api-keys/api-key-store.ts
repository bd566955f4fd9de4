import { randomUUID } from "node:crypto";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import { type Selectable, sql } from "kysely";
import type { ApiKeyCaller } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { displayedPrefix, hashApiKey } from "./api-key.ts";
import type { ApiKeysTable } from "./api-keys-table.ts";

/** A row of `team_api_keys`, without the hash, and the address of who made the key. */
export type ApiKeyRow = Omit<Selectable<ApiKeysTable>, "key_hash"> & { creator_email: string | null };

/** A key to be stored. */
export interface NewApiKey {
  teamId: string;
  name: string;
  /** The secret itself. */
  key: string;
  /** UUID of the user who makes the key; absent when the server does. */
  createdBy?: string;
  scopes?: ApiKeyScope[];
  expiresAt?: Date;
}

/** Rows of API keys. `db` may be a transaction everywhere. */
export class ApiKeyStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The caller that a key hash stands for, unless the key is unknown or over, or its team deleted. */
  async findCaller(keyHash: string): Promise<ApiKeyCaller | undefined> {
    const row = await this.#db
      .selectFrom("team_api_keys as key")
      .innerJoin("teams as team", "team.id", "key.team_id")
      .select(["key.id", "key.name", "key.team_id", "key.scopes", "key.expires_at"])
      .where("key.key_hash", "=", keyHash)
      .where("team.deleted_at", "is", null)
      .where(({ eb, or }) => or([eb("key.expires_at", "is", null), eb("key.expires_at", ">", sql<Date>`now()`)]))
      .executeTakeFirst();
    if (!row) return undefined;
    return {
      kind: "api_key",
      teamId: row.team_id,
      keyId: row.id,
      keyName: row.name,
      scopes: row.scopes,
      ...(row.expires_at ? { expiresAt: row.expires_at } : {}),
    };
  }

  /** Stores a key; returns its UUID. */
  async insert(key: NewApiKey, db: Db = this.#db): Promise<string> {
    const keyHash = hashApiKey(key.key);
    if (keyHash === undefined) throw new TypeError("malformed API key");
    const id = randomUUID();
    await db
      .insertInto("team_api_keys")
      .values({
        id,
        team_id: key.teamId,
        name: key.name,
        key_hash: keyHash,
        key_prefix: displayedPrefix(key.key),
        created_by: key.createdBy ?? null,
        expires_at: key.expiresAt ?? null,
        ...(key.scopes ? { scopes: key.scopes } : {}),
      })
      .execute();
    return id;
  }

  /** Keys of a team, newest first. */
  async list(teamId: string): Promise<ApiKeyRow[]> {
    return this.#select(this.#db)
      .where("key.team_id", "=", teamId)
      .orderBy("key.created_at", "desc")
      .orderBy("key.id")
      .execute();
  }

  async find(teamId: string, id: string, db: Db = this.#db): Promise<ApiKeyRow | undefined> {
    return this.#select(db).where("key.team_id", "=", teamId).where("key.id", "=", id).executeTakeFirst();
  }

  /** Those of many keys that are there, of whatever team. */
  async findEach(ids: string[]): Promise<ApiKeyRow[]> {
    return this.#select(this.#db).where(sql<boolean>`key.id = any(${ids}::uuid[])`).execute();
  }

  /** Number of keys of a team that are not over. */
  async countLive(teamId: string, db: Db): Promise<number> {
    const { count } = await db
      .selectFrom("team_api_keys")
      .select(sql<number>`count(*)`.as("count"))
      .where("team_id", "=", teamId)
      .where(({ eb, or }) => or([eb("expires_at", "is", null), eb("expires_at", ">", sql<Date>`now()`)]))
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Deletes a key of a team; returns its name, undefined when there is none. */
  async delete(teamId: string, id: string, db: Db = this.#db): Promise<string | undefined> {
    const deleted = await db
      .deleteFrom("team_api_keys")
      .where("team_id", "=", teamId)
      .where("id", "=", id)
      .returning("name")
      .executeTakeFirst();
    return deleted?.name;
  }

  /** Deletes the keys of a team that a user made; returns them. */
  async deleteOfCreator(teamId: string, userId: string, db: Db): Promise<{ id: string; name: string }[]> {
    return db
      .deleteFrom("team_api_keys")
      .where("team_id", "=", teamId)
      .where("created_by", "=", userId)
      .returning(["id", "name"])
      .execute();
  }

  /** Writes times of last use by key UUID in one statement; never moves a time back. */
  async writeLastUsed(times: ReadonlyMap<string, Date>): Promise<void> {
    const rows = sql.join([...times].map(([id, at]) => sql`(${id}::uuid, ${at.toISOString()}::timestamptz)`));
    await sql`
      update team_api_keys set last_used = greatest(last_used, used.at)
      from (values ${rows}) as used (id, at) where team_api_keys.id = used.id
    `.execute(this.#db);
  }

  #select(db: Db) {
    return db
      .selectFrom("team_api_keys as key")
      .leftJoin("users as creator", "creator.id", "key.created_by")
      .select([
        "key.id",
        "key.team_id",
        "key.name",
        "key.key_prefix",
        "key.created_by",
        "key.scopes",
        "key.expires_at",
        "key.created_at",
        "key.last_used",
        "creator.email as creator_email",
      ]);
  }
}
