import type { SandboxReason, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { ColumnType, Generated } from "kysely";
import type { Actor } from "../callers/caller.ts";
import type { StoredSpec } from "./sandbox-spec.ts";

/** What is under way in a sandbox, and who has asked for it. */
export interface SandboxOperation {
  action: "create" | "fork" | "pause" | "resume" | "rollback";
  actor: Actor;
  /** Id of the sandbox that a fork is made of. */
  source?: string;
  /** Why the control plane pauses it by itself. */
  reason?: SandboxReason;
}

/** Table `sandboxes`. */
export interface SandboxesTable {
  id: string;
  team_id: string;
  host_id: string | null;
  /** Unique among the sandboxes of a team that are not over; null = none. */
  name: string | null;
  metadata: ColumnType<Record<string, string>, string | undefined, string>;
  /** Template that it was started from, or the first sandbox of which it is a copy; null where it is not known. */
  template_id: ColumnType<string | null, string | null | undefined, never>;
  /** Sandbox of which it is a copy; null = none. */
  forked_from: ColumnType<string | null, string | undefined, never>;
  /** What was decided about it; JSON when it is written. */
  spec: ColumnType<StoredSpec, string, string>;
  status: SandboxStatus;
  /** Counts the changes of status; every change names the version that it expects. */
  version: Generated<number>;
  /** Of its spec, computed by the database. */
  vcpus: ColumnType<number, never, never>;
  memory_mb: ColumnType<number, never, never>;
  /** Seconds for which each renewal keeps it; null = no lease. */
  lease_sec: number | null;
  /** Null without a lease, and until it runs. */
  lease_expires_at: ColumnType<Date | null, undefined, never>;
  /** Address at which the host reaches the guest; empty unless running. */
  host_ip: Generated<string>;
  /** Bytes that the host stores for the sandbox while it is paused. */
  disk_bytes: Generated<number>;
  /** What went wrong, for people; set with status `error`. */
  error: string | null;
  /** Why it is in its status, when its user did not ask for it; JSON. */
  reason: ColumnType<SandboxReason | null, string | null | undefined, string | null>;
  /** Null when nothing is under way; JSON when it is written. */
  operation: ColumnType<SandboxOperation | null, string | null | undefined, string | null>;
  created_at: Generated<Date>;
  started_at: Date | null;
  last_active_at: Date | null;
  last_updated: Generated<Date>;
}

/** All of its columns that this version knows. */
export const SANDBOX_COLUMNS = [
  "id",
  "team_id",
  "host_id",
  "name",
  "metadata",
  "template_id",
  "forked_from",
  "spec",
  "status",
  "version",
  "vcpus",
  "memory_mb",
  "lease_sec",
  "lease_expires_at",
  "host_ip",
  "disk_bytes",
  "error",
  "reason",
  "operation",
  "created_at",
  "started_at",
  "last_active_at",
  "last_updated",
] as const satisfies readonly (keyof SandboxesTable)[];

declare module "../database/tables.ts" {
  interface Tables {
    sandboxes: SandboxesTable;
  }
}
