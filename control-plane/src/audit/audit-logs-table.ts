import type { AuditActorType, AuditScope, AuditStatus } from "@warren/contracts/rest/audit";
import type { ColumnType } from "kysely";

/** Table `audit_logs`. Rows are never changed; those that are old are removed by their retention. */
export interface AuditLogsTable {
  id: string;
  /** UUID of the team that the event is about, or `PLATFORM`. */
  team_id: string;
  actor_type: AuditActorType;
  /** Wire id of a user or an API key; empty for the system. */
  actor_id: string;
  actor_name: string;
  resource_type: string;
  resource_id: string | null;
  action: string;
  scope: AuditScope;
  status: AuditStatus;
  metadata: ColumnType<Record<string, unknown>, string, never>;
  created_at: ColumnType<Date, never, never>;
}

declare module "../database/tables.ts" {
  interface Tables {
    audit_logs: AuditLogsTable;
  }
}
