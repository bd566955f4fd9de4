import { hash } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";

/** Secrets that stand for something once, and for a while. Whoever takes one finds it; all others find nothing. */
export interface OneTimeTokens {
  /** Keeps what a token stands for, for some seconds. */
  put(token: string, value: string, seconds: number): Promise<void>;
  /** What a token stands for, which it then does no more; undefined when it is used up, has expired or never was. */
  take(token: string): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Expired rows that one `put` removes: more than it adds, so that the table stays small without a timer. */
const PRUNED = 4;

/** Keeps them in the database. */
export class DatabaseTokens implements OneTimeTokens {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async put(token: string, value: string, seconds: number): Promise<void> {
    const key = hashToken(token);
    await sql`
      with pruned as (
        delete from one_time_tokens where token_hash in (
          select token_hash from one_time_tokens where expires_at < now() and token_hash <> ${key}
          order by expires_at limit ${PRUNED} for update skip locked
        )
      )
      insert into one_time_tokens (token_hash, value, expires_at)
      values (${key}, ${value}, now() + make_interval(secs => ${seconds}))
      on conflict (token_hash) do update set value = excluded.value, expires_at = excluded.expires_at
    `.execute(this.#db);
  }

  async take(token: string): Promise<string | undefined> {
    const { rows } = await sql<{ value: string; live: boolean }>`
      delete from one_time_tokens where token_hash = ${hashToken(token)} returning value, expires_at > now() as live
    `.execute(this.#db);
    return rows[0]?.live ? rows[0].value : undefined;
  }

  async close(): Promise<void> {
    // The database is not its own.
  }
}

/** What is kept of a token that its holder alone knows: SHA-256, in hex. */
export function hashToken(token: string): string {
  return hash("sha256", token);
}
