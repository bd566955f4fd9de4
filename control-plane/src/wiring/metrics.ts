import { Partitions } from "../database/partitions.ts";
import { WIDTHS } from "../sandbox-metrics/metric-buckets.ts";
import { MetricCollector } from "../sandbox-metrics/metric-collector.ts";
import { MetricReads } from "../sandbox-metrics/metric-reads.ts";
import { MetricStore } from "../sandbox-metrics/metric-store.ts";
import { UsageReads } from "../usage/usage-reads.ts";
import { UsageStore } from "../usage/usage-store.ts";
import type { Foundation } from "./foundation.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** Wires together what tells what sandboxes use. Nothing of it acts by itself before it is started. */
export function createMetrics({ config, db, database, log }: Foundation, { hosts, hostClients }: Sandboxes) {
  const points = WIDTHS.map(
    ({ name, partitionDays: days, keptDays }) =>
      new Partitions(db, { name: `sandbox_metric_points_${name}`, column: "bucket_at", days, keptDays }),
  );
  const partitions = [...points, new Partitions(db, { name: "sandbox_usage", column: "day", days: 10, keptDays: 100 })];
  const collector = new MetricCollector({
    db,
    metrics: new MetricStore(db),
    usage: new UsageStore(),
    partitions,
    hosts,
    hostClients,
    leadership: database.leadership,
    intervalMs: config.metricsIntervalMs,
    log,
  });
  return { collector, reads: new MetricReads(db), usage: new UsageReads(db) };
}
