import { sql } from "kysely";

/** What a team has in use at one time. */
export interface InUse {
  /** Sandboxes that run or start. */
  running_count: number;
  vcpus_reserved: number;
  /** MiB. */
  memory_mb_reserved: number;
}

/** A table of the sandboxes that count. */
export const COUNTED = sql`(
  select team_id, vcpus, memory_mb, status = 'paused' as is_paused
  from sandboxes where status in ('starting', 'running', 'paused')
) as counted`;

/** What is paused counts half, rounded up; in whole numbers, which take a fraction of the time of others. */
const reserved = (column: string) => sql`(
  coalesce(sum(${sql.ref(column)}) filter (where not is_paused), 0)
  + (coalesce(sum(${sql.ref(column)}) filter (where is_paused), 0) + 1) / 2
)::integer`;

/** Columns of {@link InUse} over rows of that table. */
export const IN_USE = sql`
  (count(*) filter (where not is_paused))::integer as running_count,
  ${reserved("vcpus")} as vcpus_reserved,
  ${reserved("memory_mb")} as memory_mb_reserved`;
