import type { Schemas } from "#lib/api/client.ts";
import { type Point, pointsOf } from "#lib/stats/time-axis.ts";

export type MetricSeries = Schemas["MetricSeries"];
export type MetricName = Exclude<keyof MetricSeries, "labels">;

/** Points of the buckets in which a value is known. */
export function metricPoints(series: MetricSeries | undefined, name: MetricName, bucketSec: number): Point[] {
  if (!series) return [];
  const known = series.labels.flatMap((label, index) => {
    const value = series[name][index];
    return typeof value === "number" ? [{ label, value }] : [];
  });
  return pointsOf(
    known.map(({ label }) => label),
    known.map(({ value }) => value),
    bucketSec,
  );
}
