import { hash } from "node:crypto";
import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import type { Db } from "../database/tables.ts";
import { RateLimited } from "./rate-limited.ts";
import type { Rate } from "./rates.ts";

/** Refused subjects that are remembered, so that a flood of attempts costs no queries. */
const REMEMBERED = 10_000;
/** Rows in the past that one attempt removes: more than it adds, so that the table stays small without a timer. */
const PRUNED = 4;

/**
 * Counts attempts in the database, so that all control planes share the counts, by the generic cell rate algorithm: one
 * row and one statement per attempt.
 */
export class RateLimiter {
  readonly #db: Db;
  readonly #factor: number;
  readonly #refusedUntil = new LRUCache<string, number>({ max: REMEMBERED });

  /** `factor` multiplies all rates. */
  constructor(db: Db, factor: number) {
    this.#db = db;
    this.#factor = factor;
  }

  /** Counts an attempt of `subject` at `action`; throws `rate_limited` when there were too many. */
  async take(action: string, subject: string, rate: Rate): Promise<void> {
    const key = hashSubject(action, subject);
    const refusedUntil = this.#refusedUntil.get(key);
    if (refusedUntil !== undefined && performance.now() < refusedUntil) {
      throw refusal((refusedUntil - performance.now()) / 1000);
    }
    const interval = 60 / (rate.perMinute * this.#factor);
    const tolerance = (rate.burst * this.#factor - 1) * interval;
    if (await this.#count(key, interval, tolerance)) return;
    const seconds = await this.#secondsToWait(key, tolerance);
    this.#refusedUntil.set(key, performance.now() + seconds * 1000);
    throw refusal(seconds);
  }

  /** Forgets the attempts of a subject, such as one that has proven who it is. */
  async reset(action: string, subject: string): Promise<void> {
    const key = hashSubject(action, subject);
    this.#refusedUntil.delete(key);
    await this.#db.deleteFrom("rate_limits").where("key", "=", key).execute();
  }

  async #count(key: string, interval: number, tolerance: number): Promise<boolean> {
    const { rows } = await sql`
      with pruned as (
        delete from rate_limits where key in (
          select key from rate_limits where tat < now() and key <> ${key} order by tat limit ${PRUNED}
          for update skip locked
        )
      )
      insert into rate_limits as row (key, tat) values (${key}, now() + ${interval} * interval '1 second')
      on conflict (key) do update set tat = greatest(row.tat, now()) + ${interval} * interval '1 second'
      where row.tat <= now() + ${tolerance} * interval '1 second'
      returning row.key
    `.execute(this.#db);
    return rows.length > 0;
  }

  async #secondsToWait(key: string, tolerance: number): Promise<number> {
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from tat - now())::float8 - ${tolerance}::float8 as seconds from rate_limits where key = ${key}
    `.execute(this.#db);
    return rows[0]?.seconds ?? 0;
  }
}

/** What is stored of who tries what: addresses and e-mail addresses are not written down. */
export function hashSubject(action: string, subject: string): string {
  return hash("sha256", `${action}\0${subject}`);
}

function refusal(seconds: number): RateLimited {
  return new RateLimited("there were too many attempts", seconds);
}
