import { sql } from "kysely";

/** What a team has in use at one time. */
export interface InUse {
  /** Sandboxes that run or start. */
  running_count: number;
  vcpus_reserved: number;
  /** MiB. */
  memory_mb_reserved: number;
}

/** Which rows of `sandboxes` count. */
export const COUNTED = sql<boolean>`status in ('starting', 'running', 'paused')`;

const ACTIVE = sql<boolean>`status in ('starting', 'running')`;

const reserved = (column: string) => sql`(
  coalesce(sum(${sql.ref(column)}) filter (where ${ACTIVE}), 0)
  + ceil(coalesce(sum(${sql.ref(column)}) filter (where status = 'paused'), 0) / 2.0)
)::integer`;

/** Columns of {@link InUse} over those rows: what is paused counts half. */
export const IN_USE = sql`
  (count(*) filter (where ${ACTIVE}))::integer as running_count,
  ${reserved("vcpus")} as vcpus_reserved,
  ${reserved("memory_mb")} as memory_mb_reserved`;
