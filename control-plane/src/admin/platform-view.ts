import type { AdminTeam, AdminUser } from "@warren/contracts/rest/admin";
import { toWireId } from "../identifiers/wire-id.ts";
import type { PlatformTeamRow, PlatformUserRow } from "./platform-store.ts";

/** A team as administrators see it. */
export function toAdminTeam(row: PlatformTeamRow): AdminTeam {
  return {
    id: toWireId("team", row.id),
    name: row.name,
    slug: row.slug,
    is_byoc: row.is_byoc,
    ...(row.owner_email === null ? {} : { owner_email: row.owner_email }),
    members: row.members,
    created_at: row.created_at.toISOString(),
    ...(row.deleted_at === null ? {} : { deleted_at: row.deleted_at.toISOString() }),
  };
}

/** A user as administrators see them. */
export function toAdminUser(row: PlatformUserRow): AdminUser {
  return {
    user_id: toWireId("usr", row.id),
    email: row.email,
    name: row.name,
    is_admin: row.is_admin,
    permissions: row.permissions,
    has_password: row.has_password,
    created_at: row.created_at.toISOString(),
  };
}
