import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { COUNTED, IN_USE } from "./in-use.ts";

/**
 * Seconds of the buckets whose greatest values are kept beside the snapshots, for charts that reach back far: those of the
 * ranges `24h` and `30d`. Each is a multiple of the one before.
 */
export const ROLLUP_SEC = [720, 21_600] as const;

/** Writes what teams have in use. */
export class SnapshotStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Writes a snapshot of every team that has something in use, and one of zeros for those that no longer have, all in one
   * statement. A second one at the same time keeps the greater values. Returns the teams that it wrote of.
   */
  async sample(at: Date): Promise<number> {
    const { rows } = await sql<{ teams: number }>`
      with used as materialized (
        select team_id, ${IN_USE} from ${COUNTED} group by team_id
      ), ended as (
        delete from sandbox_metrics_active as active
        where not exists (select from used where used.team_id = active.team_id)
          -- Zeros beside greater values would be lost; those of the next time are not.
          and not exists (
            select from sandbox_metrics_snapshots as other where other.team_id = active.team_id and other.sampled_at = ${at}
          )
        returning team_id
      ), begun as (
        insert into sandbox_metrics_active
        select team_id from used
        where not exists (select from sandbox_metrics_active as active where active.team_id = used.team_id)
        order by team_id on conflict do nothing
      ), sampled as materialized (
        select * from used union all select team_id, 0, 0, 0 from ended
      ), written as (
        insert into sandbox_metrics_snapshots as kept
        select team_id, ${at}, running_count, vcpus_reserved, memory_mb_reserved from sampled order by team_id
        on conflict (team_id, sampled_at) do update set ${GREATER}
      ), rolled_up as (
        insert into sandbox_metrics_rollups as kept
        select sampled.team_id, width_sec, bucket_at, running_count, vcpus_reserved, memory_mb_reserved, idle
        from sampled
        cross join lateral (select vcpus_reserved = 0 as idle) as whether
        cross join (values ${bucketsOf(at)}) as bucket (width_sec, bucket_at)
        -- Most change nothing, and a row that need not be written is not.
        where not exists (
          select from sandbox_metrics_rollups as before
          where before.team_id = sampled.team_id and before.width_sec = bucket.width_sec
            and before.bucket_at = bucket.bucket_at and before.running_count >= sampled.running_count
            and before.vcpus_reserved >= sampled.vcpus_reserved
            and before.memory_mb_reserved >= sampled.memory_mb_reserved and before.ends_idle = idle
        )
        order by sampled.team_id, width_sec
        on conflict (team_id, width_sec, bucket_at) do update set ${GREATER}, ends_idle = excluded.ends_idle
      )
      select count(*) as teams from sampled
    `.execute(this.#db);
    return rows[0]!.teams;
  }
}

/** Sets what a row `kept` has to what one that conflicts with it has, where that is more. */
const GREATER = sql`
  running_count = greatest(kept.running_count, excluded.running_count),
  vcpus_reserved = greatest(kept.vcpus_reserved, excluded.vcpus_reserved),
  memory_mb_reserved = greatest(kept.memory_mb_reserved, excluded.memory_mb_reserved)`;

/** Rows of the widths of buckets and the begin of the one of each that a time is in. */
function bucketsOf(at: Date) {
  return sql.join(
    ROLLUP_SEC.map((width) => {
      const begin = new Date(Math.floor(at.getTime() / 1000 / width) * width * 1000);
      return sql`(${width}::integer, ${begin}::timestamptz)`;
    }),
  );
}
