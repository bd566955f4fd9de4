import { PartitionUpkeep } from "../database/partition-upkeep.ts";
import { Partitions } from "../database/partitions.ts";
import { WIDTHS } from "../sandbox-metrics/metric-buckets.ts";
import { MetricCollector } from "../sandbox-metrics/metric-collector.ts";
import { MetricReads } from "../sandbox-metrics/metric-reads.ts";
import { MetricStore } from "../sandbox-metrics/metric-store.ts";
import type { UsageAllowance } from "../usage/limits/usage-allowance.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import { UsageLimiter } from "../usage/limits/usage-limiter.ts";
import { UsageReads } from "../usage/usage-reads.ts";
import { UsageStore } from "../usage/usage-store.ts";
import type { Foundation } from "./foundation.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What teams may use in a month. */
interface Limits {
  limits: UsageLimitStore;
  allowance: UsageAllowance;
}

/** Wires together what tells what sandboxes use, and acts on it. Nothing of it acts by itself before it is started. */
export function createMetrics(foundation: Foundation, sandboxes: Sandboxes, limits: Limits) {
  const { config, db, database, log, operations, audit } = foundation;
  const { hosts, hostClients, store, pausing } = sandboxes;
  const points = WIDTHS.map(
    ({ name, partitionDays: days, keptDays }) =>
      new Partitions(db, { name: `sandbox_metric_points_${name}`, column: "bucket_at", days, keptDays }),
  );
  const partitions = [...points, new Partitions(db, { name: "sandbox_usage", column: "day", days: 10, keptDays: 100 })];
  const limiter = new UsageLimiter({
    ...limits,
    db,
    sandboxes: {
      listRunning: (teamIds) => store.listRunning(teamIds),
      pauseAtLimit: ({ id, team_id }, message) =>
        pausing.pauseFor(team_id, id, { code: "usage_limit", message, at: new Date().toISOString() }),
    },
    operations,
    audit: audit.teams,
    log,
  });
  const collector = new MetricCollector({
    db,
    metrics: new MetricStore(db),
    usage: new UsageStore(),
    partitions: new PartitionUpkeep(partitions, log),
    hosts,
    hostClients,
    leadership: database.leadership,
    onCollected: (signal) => limiter.check(signal),
    intervalMs: config.metricsIntervalMs,
    log,
  });
  return { collector, reads: new MetricReads(db), usage: new UsageReads(db) };
}
