import type { AdminTeam, AdminUser } from "@warren/contracts/rest/admin";
import type { AdminHost, AdminSandbox } from "@warren/contracts/rest/admin-lists";
import type { SandboxReason } from "@warren/contracts/rest/sandboxes";
import { toWireId } from "../identifiers/wire-id.ts";
import type {
  ListPage,
  PlatformHostRow,
  PlatformSandboxRow,
  PlatformTeamRow,
  PlatformUserRow,
} from "./platform-lists.ts";

/** A page as clients see it. */
export function toPage<Row, Item>({ rows, nextCursor }: ListPage<Row>, view: (row: Row) => Item) {
  return { items: rows.map(view), ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }) };
}

/** A team as administrators see it. */
export function toAdminTeam(row: PlatformTeamRow): AdminTeam {
  return {
    id: toWireId("team", row.id),
    name: row.name,
    slug: row.slug,
    is_byoc: row.is_byoc,
    ...(row.owner_email === null ? {} : { owner_email: row.owner_email }),
    members: row.members,
    sandboxes: row.sandboxes,
    created_at: row.created_at.toISOString(),
    ...(row.deleted_at === null ? {} : { deleted_at: row.deleted_at.toISOString() }),
  };
}

/** A user as administrators see them. */
export function toAdminUser(row: PlatformUserRow): AdminUser {
  return {
    user_id: toWireId("usr", row.id),
    email: row.email,
    email_verified: row.email_verified,
    name: row.name,
    is_admin: row.is_admin,
    permissions: row.permissions,
    has_password: row.has_password,
    teams: row.teams,
    created_at: row.created_at.toISOString(),
    ...(row.last_used_at === null ? {} : { last_used_at: row.last_used_at.toISOString() }),
    ...(row.deactivated_at === null ? {} : { deactivated_at: row.deactivated_at.toISOString() }),
  };
}

/** A host as administrators see it. */
export function toAdminHost(row: PlatformHostRow): AdminHost {
  const { accelerator, emulation_reason = "" } = row.metadata;
  return {
    id: toWireId("host", row.id),
    type: row.type,
    ...(row.team_id === null ? {} : { team_id: toWireId("team", row.team_id) }),
    provider: row.provider,
    address: row.address,
    status: row.status,
    arch: row.arch,
    cpu_cores: row.cpu_cores,
    memory_mb: row.memory_mb,
    disk_gb: row.disk_gb,
    ...(accelerator !== undefined && { accelerator }),
    ...(emulation_reason !== "" && { emulation_reason }),
    ...(row.last_heartbeat_at === null ? {} : { last_heartbeat_at: row.last_heartbeat_at.toISOString() }),
    created_at: row.created_at.toISOString(),
    sandboxes: row.sandboxes,
    vcpus_in_use: row.vcpus_in_use,
    memory_mb_in_use: row.memory_mb_in_use,
  };
}

/** A sandbox as administrators see it. */
export function toAdminSandbox(row: PlatformSandboxRow): AdminSandbox {
  return {
    id: row.id,
    ...(row.name === null ? {} : { name: row.name }),
    team_id: toWireId("team", row.team_id),
    team_name: row.team_name,
    team_slug: row.team_slug,
    ...(row.host_id === null ? {} : { host_id: toWireId("host", row.host_id) }),
    status: row.status,
    ...(row.reason === null ? {} : { reason: withoutConsole(row.reason) }),
    template: row.template,
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    disk_bytes: row.disk_bytes,
    created_at: row.created_at.toISOString(),
    ...(row.last_active_at === null ? {} : { last_active_at: row.last_active_at.toISOString() }),
  };
}

/** What a guest has printed is its team's to see. */
function withoutConsole({ console: _, ...reason }: SandboxReason): Omit<SandboxReason, "console"> {
  return reason;
}
