/** Table `sandbox_metric_points`. */
export interface SandboxMetricPointsTable {
  sandbox_id: string;
  width_sec: number;
  bucket_at: Date;
  span_ms: number;
  cpu_us: number;
  rx_bytes: number;
  tx_bytes: number;
  memory_bytes: number | null;
  vmm_memory_bytes: number;
  disk_bytes: number;
}

/** Table `metric_collections`. */
export interface MetricCollectionsTable {
  host_id: string;
  ledger: string;
  points: number;
  usage: number;
}

declare module "../database/tables.ts" {
  interface Tables {
    sandbox_metric_points: SandboxMetricPointsTable;
    metric_collections: MetricCollectionsTable;
  }
}
