import type { ColumnType, Generated } from "kysely";

/** `offline` and `draining` are set by operators. */
export type HostStatus = "pending" | "online" | "unreachable" | "offline" | "draining";

/** Table `hosts`. */
export interface HostsTable {
  id: string;
  /** `regular`: shared by all teams; `byoc`: brought by one team for itself. */
  type: Generated<"regular" | "byoc">;
  team_id: string | null;
  provider: Generated<string>;
  availability_zone: Generated<string>;
  arch: Generated<string>;
  cpu_cores: Generated<number>;
  memory_mb: Generated<number>;
  disk_gb: Generated<number>;
  /** `unix:PATH` or an http(s) URL without a path; empty until the host registers. */
  address: Generated<string>;
  status: Generated<HostStatus>;
  /** Time of the last sign of life. */
  last_heartbeat_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  metadata: ColumnType<Record<string, unknown>, string | undefined, string>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    hosts: HostsTable;
  }
}
