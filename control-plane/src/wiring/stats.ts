import { PartitionUpkeep } from "../database/partition-upkeep.ts";
import { Partitions } from "../database/partitions.ts";
import { SnapshotStore } from "../stats/snapshot-store.ts";
import { StatsReads } from "../stats/stats-reads.ts";
import { StatsSampler } from "../stats/stats-sampler.ts";
import type { Foundation } from "./foundation.ts";

/** Wires together what tells what teams have in use. Nothing of it acts by itself before it is started. */
export function createStats({ db, database, log }: Foundation) {
  const partitions = [
    new Partitions(db, { name: "sandbox_metrics_snapshots", column: "sampled_at", days: 1, keptDays: 60 }),
    new Partitions(db, { name: "sandbox_metrics_rollups", column: "bucket_at", days: 10, keptDays: 60 }),
  ];
  const sampler = new StatsSampler({
    store: new SnapshotStore(db),
    partitions: new PartitionUpkeep(partitions, log),
    leadership: database.leadership,
    log,
  });
  return { sampler, reads: new StatsReads(db) };
}
