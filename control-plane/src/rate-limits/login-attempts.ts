import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { RateLimited } from "./rate-limited.ts";
import { hashSubject } from "./rate-limiter.ts";

/** Attempts that may fail before the account is locked for the network that they come from. */
const FREE_ATTEMPTS = 5;
/** Seconds of the longest lock; the first takes one second and each further one twice as long. */
const LONGEST_LOCK = 900;
const FORGET_AFTER = "24 hours";
/** Rows in the past that one attempt removes. */
const PRUNED = 4;

/**
 * Locks an account for a network after attempts that failed, each time longer. An attempt counts as failed from its
 * start until `succeeded`, so that attempts at the same moment count too. Unknown accounts are locked just as known
 * ones are. Other networks, and so the account's owner, are not affected.
 */
export class LoginAttempts {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Counts an attempt; throws `rate_limited` while the account is locked. */
  async begin(account: string, network: string): Promise<void> {
    const key = attemptKey(account, network);
    const { rows } = await sql`
      with pruned as (
        delete from login_attempts where key in (
          select key from login_attempts where forget_at < now() and key <> ${key} order by forget_at limit ${PRUNED}
          for update skip locked
        )
      )
      insert into login_attempts as row (key, failures, locked_until, forget_at)
      values (${key}, 1, now(), now() + ${FORGET_AFTER}::interval)
      on conflict (key) do update set
        failures = case when row.forget_at <= now() then 1 else row.failures + 1 end,
        locked_until = now() + case
          when row.forget_at <= now() or row.failures + 1 < ${FREE_ATTEMPTS} then interval '0'
          else least(${LONGEST_LOCK}, power(2, least(row.failures + 1 - ${FREE_ATTEMPTS}, 20))) * interval '1 second'
        end,
        forget_at = now() + ${FORGET_AFTER}::interval
      where row.locked_until <= now()
      returning row.key
    `.execute(this.#db);
    if (rows.length === 0) {
      throw new RateLimited("there were too many attempts to sign in to this account", await this.#lockedFor(key));
    }
  }

  /** Forgets the attempts at an account that has shown its password. */
  async succeeded(account: string, network: string): Promise<void> {
    await this.#db.deleteFrom("login_attempts").where("key", "=", attemptKey(account, network)).execute();
  }

  async #lockedFor(key: string): Promise<number> {
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from locked_until - now())::float8 as seconds from login_attempts where key = ${key}
    `.execute(this.#db);
    return rows[0]?.seconds ?? 0;
  }
}

function attemptKey(account: string, network: string): string {
  return hashSubject("login attempts", `${account}\0${network}`);
}
