import { LIMITS } from "@warren/contracts/limits";
import type { MetricSeries, TeamMetrics } from "@warren/contracts/rest/metrics";
import { STATS_RANGES, type StatsRange } from "@warren/contracts/rest/stats";
import { sql } from "kysely";
import { LIVE } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { WIDTHS } from "./metric-buckets.ts";

const MIB = 1024 * 1024;

interface Row {
  sandbox_id: string;
  at: Date;
  span_ms: number;
  cpu_us: number;
  rx_bytes: number;
  tx_bytes: number;
  memory_bytes: number | null;
  vmm_memory_bytes: number;
  disk_bytes: number;
}

/** What sandboxes used, as charts show it. */
export class MetricReads {
  readonly #db: Db;
  readonly #now: () => number;

  /** `now`: milliseconds since the epoch. */
  constructor(db: Db, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
  }

  /** The series of one sandbox, which may be empty. */
  async ofSandbox(id: string, range: StatsRange): Promise<MetricSeries> {
    return seriesOf(await this.#rows([id], range));
  }

  /** The series of the sandboxes of a team that are not over, newest first. */
  async ofTeam(teamId: string, range: StatsRange): Promise<TeamMetrics["sandboxes"]> {
    const live = await this.#db
      .selectFrom("sandboxes")
      .select("id")
      .where("team_id", "=", teamId)
      .where(LIVE)
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(LIMITS.measuredSandboxes)
      .execute();
    const ids = live.map(({ id }) => id);
    const rows = Map.groupBy(await this.#rows(ids, range), ({ sandbox_id }) => sandbox_id);
    return ids.flatMap((id) => {
      const own = rows.get(id);
      return own ? [{ sandbox_id: id, series: seriesOf(own) }] : [];
    });
  }

  async #rows(ids: string[], range: StatsRange): Promise<Row[]> {
    if (ids.length === 0) return [];
    const { lookBackSec, bucketSec } = STATS_RANGES[range];
    const widths = WIDTHS.map(({ widthSec }) => widthSec).filter((width) => bucketSec % width === 0);
    const from = Math.floor(this.#now() / 1000 - lookBackSec);
    const first = new Date((from - (from % bucketSec)) * 1000);
    const { rows } = await sql<Row>`
      select sandbox_id, date_bin(${bucketSec} * interval '1 second', bucket_at, 'epoch') as at,
        sum(span_ms) as span_ms, sum(cpu_us) as cpu_us, sum(rx_bytes) as rx_bytes, sum(tx_bytes) as tx_bytes,
        sum(memory_bytes * span_ms) / sum(span_ms) filter (where memory_bytes is not null) as memory_bytes,
        sum(vmm_memory_bytes * span_ms) / sum(span_ms) as vmm_memory_bytes,
        sum(disk_bytes * span_ms) / sum(span_ms) as disk_bytes
      from sandbox_metric_points
      where sandbox_id = any(${ids}) and width_sec = ${sql.lit(Math.max(...widths))} and bucket_at >= ${first}
      group by 1, 2 order by 1, 2
    `.execute(this.#db);
    return rows;
  }
}

function seriesOf(rows: readonly Row[]): MetricSeries {
  const perSecond = (of: (row: Row) => number) => rows.map((row) => rounded((of(row) / row.span_ms) * 1000));
  return {
    labels: rows.map(({ at }) => at.toISOString()),
    cpu_percent: rows.map(({ cpu_us, span_ms }) => rounded(cpu_us / span_ms / 10)),
    memory_mb: rows.map(({ memory_bytes: bytes }) => (bytes === null ? null : rounded(bytes / MIB))),
    vmm_memory_mb: rows.map(({ vmm_memory_bytes: bytes }) => rounded(bytes / MIB)),
    disk_bytes: rows.map(({ disk_bytes: bytes }) => Math.round(bytes)),
    rx_bytes_per_s: perSecond(({ rx_bytes: bytes }) => bytes),
    tx_bytes_per_s: perSecond(({ tx_bytes: bytes }) => bytes),
  };
}

/** To hundredths. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
