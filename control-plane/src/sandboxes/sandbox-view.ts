import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { specOf } from "./sandbox-spec.ts";
import type { SandboxRow } from "./sandbox-store.ts";

/** A sandbox as clients see it. */
export function toSandbox(row: SandboxRow): Sandbox {
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    metadata: row.metadata,
    ...(row.forked_from !== null && { forked_from: row.forked_from }),
    status: row.status,
    ...specOf(row),
    disk_bytes: row.disk_bytes,
    ...(row.host_ip !== "" && { host_ip: row.host_ip }),
    ...(row.error !== null && { error: row.error }),
    ...(row.reason && { reason: row.reason }),
    ...(row.lease_expires_at && { lease_expires_at: row.lease_expires_at.toISOString() }),
    created_at: row.created_at.toISOString(),
    ...(row.started_at && { started_at: row.started_at.toISOString() }),
    ...(row.last_active_at && { last_active_at: row.last_active_at.toISOString() }),
    last_updated: row.last_updated.toISOString(),
  };
}
