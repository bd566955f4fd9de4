import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { ApiKeyCaller } from "../auth/caller.ts";
import type { Db } from "../database/tables.ts";
import { displayedPrefix, hashApiKey } from "./api-key.ts";

/** Rows of API keys. */
export class ApiKeyStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The caller that a key hash stands for, unless the key is unknown or its team deleted. */
  async findCaller(keyHash: string): Promise<ApiKeyCaller | undefined> {
    const row = await this.#db
      .selectFrom("team_api_keys as key")
      .innerJoin("teams as team", "team.id", "key.team_id")
      .select(["key.id", "key.name", "key.team_id", "key.scopes", "key.expires_at"])
      .where("key.key_hash", "=", keyHash)
      .where("team.deleted_at", "is", null)
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

  /** Stores a key; returns its UUID. `db` may be a transaction. */
  async insert(key: { teamId: string; name: string; key: string }, db: Db = this.#db): Promise<string> {
    const keyHash = hashApiKey(key.key);
    if (keyHash === undefined) throw new TypeError("malformed API key");
    const id = randomUUID();
    await db
      .insertInto("team_api_keys")
      .values({ id, team_id: key.teamId, name: key.name, key_hash: keyHash, key_prefix: displayedPrefix(key.key) })
      .execute();
    return id;
  }

  /** Writes times of last use by key UUID in one statement; never moves a time back. */
  async writeLastUsed(times: ReadonlyMap<string, Date>): Promise<void> {
    const rows = sql.join([...times].map(([id, at]) => sql`(${id}::uuid, ${at.toISOString()}::timestamptz)`));
    await sql`
      update team_api_keys set last_used = greatest(last_used, used.at)
      from (values ${rows}) as used (id, at) where team_api_keys.id = used.id
    `.execute(this.#db);
  }
}
