import type { UsageAmounts } from "@warren/contracts/rest/usage";
import type { UsageColumns } from "./usage-tables.ts";

export const NOTHING: UsageColumns = { cpu_us: 0, memory_mb_ms: 0, disk_mb_ms: 0, egress_bytes: 0 };

/** What two have used together. */
export function added(one: UsageColumns, other: UsageColumns): UsageColumns {
  return {
    cpu_us: one.cpu_us + other.cpu_us,
    memory_mb_ms: one.memory_mb_ms + other.memory_mb_ms,
    disk_mb_ms: one.disk_mb_ms + other.disk_mb_ms,
    egress_bytes: one.egress_bytes + other.egress_bytes,
  };
}

/** What the database has, in the units of the API. */
export function amountsOf({ cpu_us, memory_mb_ms, disk_mb_ms, egress_bytes }: UsageColumns): UsageAmounts {
  const rounded = (value: number) => Math.round(value * 10_000) / 10_000;
  return {
    cpu_minutes: rounded(cpu_us / 60e6),
    memory_mb_minutes: rounded(memory_mb_ms / 60e3),
    disk_gb_hours: rounded(disk_mb_ms / 1024 / 3600e3),
    egress_bytes: Math.round(egress_bytes),
  };
}
