import { SANDBOX_ID } from "@warren/contracts/identifiers";
import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { dayOf, isDay } from "./usage-period.ts";

const DAY_MS = 86_400_000;
/** Days by which a host may be late, and ahead: one by its clock, and one because noon is midnight somewhere. */
const LATE_DAYS = 90;
const AHEAD_DAYS = 1;
/** More than any sandbox uses in a day, in any unit: a host that says more is not believed. */
const MOST = 1e16;

/**
 * Ledgers in which the use of a sandbox in one day is counted at most: a host begins another one when it has lost all that it
 * had, and one that does so more often is not believed.
 */
const LEDGERS = 16;
/** Names of ledgers. */
const LEDGER = /^[\w.:-]{1,64}$/;

/** Whether a name can be that of what a host counts in. */
export function isLedger(name: string): boolean {
  return LEDGER.test(name);
}

/** Most that the sum of a day is kept as: more than all sandboxes of a team use, and less than the database has numbers for. */
const GREATEST_SUM = "9000000000000000000";
const COLUMNS = ["cpu_us", "memory_mb_ms", "disk_mb_ms", "egress_bytes"] as const;

/** What a sandbox has used in a day in UTC, up to when its host said so. */
export interface CountedUsage {
  sandboxId: string;
  /** Name of what the host counts in: it starts from nothing in another one. */
  ledger: string;
  /** Such as 2026-01-31. */
  day: string;
  cpuUs: number;
  memoryMbMs: number;
  diskMbMs: number;
  egressBytes: number;
}

/** Writes what sandboxes have used. */
export class UsageStore {
  /**
   * Counts what a host says, in a transaction: by how much each of its figures is above the one that is kept. What is said
   * twice, or late, counts once, and in its day. Sandboxes that are none of the host's are left out.
   */
  async add(hostId: string, counted: readonly CountedUsage[], now: number, transaction: Db): Promise<void> {
    const [oldest, newest] = [dayOf(now - LATE_DAYS * DAY_MS), dayOf(now + AHEAD_DAYS * DAY_MS)];
    const given = highest(
      counted.filter(
        ({ sandboxId, day }) => SANDBOX_ID.test(sandboxId) && isDay(day) && day >= oldest && day <= newest,
      ),
    );
    if (given.length === 0) return;
    const column = <T>(of: (usage: CountedUsage) => T) => given.map(of);
    const amounts = (of: (usage: CountedUsage) => number) => column((usage) => Math.min(of(usage), MOST));
    await sql`
      with given as materialized (
        select said.day, said.sandbox_id, said.ledger, sandboxes.team_id, said.cpu_us, said.memory_mb_ms,
          said.disk_mb_ms, said.egress_bytes
        from unnest(
          ${column(({ day }) => day)}::date[], ${column(({ sandboxId }) => sandboxId)}::text[],
          ${column(({ ledger }) => ledger)}::text[], ${amounts(({ cpuUs }) => cpuUs)}::bigint[],
          ${amounts(({ memoryMbMs }) => memoryMbMs)}::bigint[], ${amounts(({ diskMbMs }) => diskMbMs)}::bigint[],
          ${amounts(({ egressBytes }) => egressBytes)}::bigint[]
        ) as said (day, sandbox_id, ledger, cpu_us, memory_mb_ms, disk_mb_ms, egress_bytes)
        join sandboxes on sandboxes.id = said.sandbox_id and sandboxes.host_id = ${hostId}
        where ${LEDGERS} > (
          select count(*) from sandbox_usage as other
          where other.day = said.day and other.sandbox_id = said.sandbox_id and other.ledger <> said.ledger
        )
      ), added as (
        select given.team_id, given.day, ${sums("given", "before")}
        from given left join sandbox_usage as before using (day, sandbox_id, ledger)
        group by given.team_id, given.day
      ), kept as (
        insert into sandbox_usage as kept
        select * from given order by day, sandbox_id, ledger
        on conflict (day, sandbox_id, ledger) do update set
          cpu_us = greatest(kept.cpu_us, excluded.cpu_us),
          memory_mb_ms = greatest(kept.memory_mb_ms, excluded.memory_mb_ms),
          disk_mb_ms = greatest(kept.disk_mb_ms, excluded.disk_mb_ms),
          egress_bytes = greatest(kept.egress_bytes, excluded.egress_bytes)
      )
      insert into daily_usage as total
      select * from added order by team_id, day
      on conflict (team_id, day) do update set
        ${totals("total", "excluded")}
    `.execute(transaction);
  }
}

/** Each day of a sandbox once, with the highest of each figure: the database takes no row twice in one statement. */
function highest(counted: readonly CountedUsage[]): CountedUsage[] {
  const kept = new Map<string, CountedUsage>();
  for (const usage of counted) {
    const key = `${usage.sandboxId} ${usage.day}`;
    const known = kept.get(key) ?? usage;
    kept.set(key, {
      ...usage,
      cpuUs: Math.max(usage.cpuUs, known.cpuUs),
      memoryMbMs: Math.max(usage.memoryMbMs, known.memoryMbMs),
      diskMbMs: Math.max(usage.diskMbMs, known.diskMbMs),
      egressBytes: Math.max(usage.egressBytes, known.egressBytes),
    });
  }
  return [...kept.values()];
}

/** Columns of by how much all figures of one relation are above those of another together. */
function sums(after: string, before: string) {
  const sum = (column: string) => {
    const [now, then] = [sql.ref(`${after}.${column}`), sql.ref(`${before}.${column}`)];
    return sql`${bounded(sql`sum(greatest(${now} - coalesce(${then}, 0), 0))`)} as ${sql.ref(column)}`;
  };
  return sql.join(COLUMNS.map(sum));
}

/** Sets each figure of one relation to its sum with that of another. */
function totals(kept: string, added: string) {
  const total = (column: string) => {
    const sum = sql`${sql.ref(`${kept}.${column}`)}::numeric + ${sql.ref(`${added}.${column}`)}`;
    return sql`${sql.ref(column)} = ${bounded(sum)}`;
  };
  return sql.join(COLUMNS.map(total));
}

/** A sum as the database can keep it: that of a team whose own host says anything must not fail for other hosts of the team. */
function bounded(sum: RawBuilder<unknown>) {
  return sql`least(${sum}, ${sql.lit(GREATEST_SUM)}::numeric)::bigint`;
}
