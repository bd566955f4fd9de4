/** What was used, in the units of the host. */
export interface UsageColumns {
  cpu_us: number;
  memory_mb_ms: number;
  disk_mb_ms: number;
  egress_bytes: number;
}

/** Table `sandbox_usage`. */
export interface SandboxUsageTable extends UsageColumns {
  day: string;
  sandbox_id: string;
  ledger: string;
  team_id: string;
}

/** Table `daily_usage`. */
export interface DailyUsageTable extends UsageColumns {
  team_id: string;
  day: string;
}

declare module "../database/tables.ts" {
  interface Tables {
    sandbox_usage: SandboxUsageTable;
    daily_usage: DailyUsageTable;
  }
}
