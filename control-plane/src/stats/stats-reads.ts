import { type SandboxStats, STATS_RANGES, type StatsRange } from "@warren/contracts/rest/stats";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { COUNTED, IN_USE, type InUse } from "./in-use.ts";
import { type Point, seriesOf } from "./series.ts";
import { ROLLUP_SEC } from "./snapshot-store.ts";

/** Over which greatest values are told, whatever the range of the series. */
const PEAKS: StatsRange = "30d";

/** A time in seconds since the epoch. */
const time = (seconds: number) => new Date(seconds * 1000);

/** What teams have and had in use. */
export class StatsReads {
  readonly #db: Db;
  readonly #now: () => number;

  /** `now`: milliseconds since the epoch. */
  constructor(db: Db, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
  }

  async get(teamId: string, range: StatsRange): Promise<SandboxStats> {
    const until = this.#now() / 1000;
    const pointsOf = (of: StatsRange) => this.#points(teamId, of, until);
    const series = pointsOf(range);
    const [current, points, ofPeaks] = await Promise.all([
      this.#current(teamId),
      series,
      range === PEAKS ? series : pointsOf(PEAKS),
    ]);
    const greatest = (of: keyof InUse) => ofPeaks.reduce((most, point) => Math.max(most, point[of]), 0);
    return {
      range,
      current,
      peaks: {
        running_count: greatest("running_count"),
        vcpus: greatest("vcpus_reserved"),
        memory_mb: greatest("memory_mb_reserved"),
      },
      series: await this.#series(teamId, range, points, until),
    };
  }

  async #current(teamId: string): Promise<InUse> {
    const { rows } = await sql<InUse>`
      select ${IN_USE} from ${COUNTED} where team_id = ${teamId}
    `.execute(this.#db);
    return rows[0]!;
  }

  /**
   * Greatest values of the buckets of a range. Of the first one, what is older than the range does not count: up to where a
   * bucket of a rollup begins, the next finer one is read, and snapshots are where no rollup is.
   */
  async #points(teamId: string, range: StatsRange, until: number): Promise<Point[]> {
    const { lookBackSec, bucketSec } = STATS_RANGES[range];
    const from = until - lookBackSec;
    const widths = ROLLUP_SEC.filter((width) => width <= bucketSec);
    const begins = widths.map((width) => Math.min(Math.ceil(from / width) * width, until));
    const rollups = widths.map(
      (width, index) => sql`
        union all
        select bucket_at, running_count, vcpus_reserved, memory_mb_reserved, ends_idle
        from sandbox_metrics_rollups
        where team_id = ${teamId} and width_sec = ${width}
          and bucket_at >= ${time(begins[index]!)} and bucket_at < ${time(begins[index + 1] ?? until)}`,
    );
    const { rows } = await sql<InUse & { bucket_at: Date; ends_idle: boolean }>`
      select date_bin(${bucketSec} * interval '1 second', at, 'epoch') as bucket_at,
        max(running_count) as running_count, max(vcpus_reserved) as vcpus_reserved,
        max(memory_mb_reserved) as memory_mb_reserved, (array_agg(idle order by at desc))[1] as ends_idle
      from (
        select sampled_at as at, running_count, vcpus_reserved, memory_mb_reserved, vcpus_reserved = 0 as idle
        from sandbox_metrics_snapshots
        where team_id = ${teamId} and sampled_at >= ${time(from)} and sampled_at < ${time(begins[0] ?? until)}
        ${sql.join(rollups, sql``)}
      ) as points
      group by 1 order by 1
    `.execute(this.#db);
    return rows.map(({ bucket_at, ends_idle, ...values }) => ({
      ...values,
      at: bucket_at.getTime() / 1000,
      endsIdle: ends_idle,
    }));
  }

  async #series(teamId: string, range: StatsRange, points: Point[], until: number): Promise<SandboxStats["series"]> {
    const { lookBackSec, bucketSec: width } = STATS_RANGES[range];
    const from = until - lookBackSec;
    const isWhole = points[0] !== undefined && points[0].at <= from;
    const idleBefore = !isWhole && (await this.#wasIdle(teamId, time(from)));
    return seriesOf(points, { from, until, width, idleBefore });
  }

  /** Whether the last snapshot of a team before a time is one of zeros. */
  async #wasIdle(teamId: string, before: Date): Promise<boolean> {
    const { rows } = await sql<{ idle: boolean }>`
      select vcpus_reserved = 0 as idle from sandbox_metrics_snapshots
      where team_id = ${teamId} and sampled_at < ${before} order by sampled_at desc limit 1
    `.execute(this.#db);
    return rows[0]?.idle ?? false;
  }
}
