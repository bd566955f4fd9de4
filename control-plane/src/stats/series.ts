import type { SandboxStats } from "@warren/contracts/rest/stats";
import type { InUse } from "./in-use.ts";

/** Greatest values of a bucket of time. */
export interface Point extends InUse {
  /** Begin of the bucket, in seconds since the epoch. */
  at: number;
  /** The last snapshot in it is one of zeros: until the next one, nothing is in use. */
  endsIdle: boolean;
}

/** Which buckets a series may have. */
export interface Buckets {
  /** Seconds since the epoch, both within their buckets. */
  from: number;
  until: number;
  /** Seconds of a bucket. */
  width: number;
  /** The last snapshot before `from` is one of zeros. */
  idleBefore: boolean;
}

/**
 * Series of points in ascending order. A bucket without a point is one of zeros where nothing was in use, since no snapshots
 * are made then; where nothing is known it is left out.
 */
export function seriesOf(
  points: readonly Point[],
  { from, until, width, idleBefore }: Buckets,
): SandboxStats["series"] {
  const series: SandboxStats["series"] = { labels: [], running: [], vcpus: [], memory_mb: [] };
  const add = (at: number, values: InUse) => {
    series.labels.push(new Date(at * 1000).toISOString());
    series.running.push(values.running_count);
    series.vcpus.push(values.vcpus_reserved);
    series.memory_mb.push(values.memory_mb_reserved);
  };
  const begin = (time: number) => Math.floor(time / width) * width;
  let next = begin(from);
  let idle = idleBefore;
  const fillTo = (end: number) => {
    for (; idle && next < end; next += width) add(next, NOTHING);
  };
  for (const point of points) {
    fillTo(point.at);
    add(point.at, point);
    next = point.at + width;
    idle = point.endsIdle;
  }
  fillTo(begin(until) + width);
  return series;
}

const NOTHING: InUse = { running_count: 0, vcpus_reserved: 0, memory_mb_reserved: 0 };
