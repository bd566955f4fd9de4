import type { HeldTemplate, HostLoad, HostStatus, HostType } from "@warren/contracts/rest/hosts";
import type { ColumnType, Generated } from "kysely";

/** What a host says of itself besides what it is made of. */
export interface HostMetadata {
  version?: string;
  /** Name and version of its virtual machine monitor. */
  vmm?: string;
  accelerator?: string;
  /** Why it emulates processors; empty where it does not. */
  emulation_reason?: string;
  load?: HostLoad;
  templates?: HeldTemplate[];
}

/** Table `hosts`. */
export interface HostsTable {
  id: string;
  type: Generated<HostType>;
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
  /** It takes no new sandboxes, whether it answers or not. */
  is_draining: Generated<boolean>;
  /** Time of the last sign of life. */
  last_heartbeat_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** What the host said of itself last. */
  metadata: ColumnType<HostMetadata, string | undefined, string>;
  created_by: string | null;
  /** Counts its registrations; what was given out for an earlier one is worth nothing. */
  registration: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    hosts: HostsTable;
  }
}
