import type { Member, SharedTeam, Team } from "@warren/contracts/rest/teams";
import { toWireId } from "../identifiers/wire-id.ts";
import type { MemberRow } from "./membership-store.ts";
import type { TeamWithRole } from "./team-service.ts";
import type { TeamRow } from "./team-store.ts";

/** A team as one of its members sees it. */
export function toTeam(row: TeamWithRole): Team {
  return { ...toSharedTeam(row), role: row.role };
}

/** A team as all of its members see it. */
export function toSharedTeam(row: TeamRow): SharedTeam {
  return {
    id: toWireId("team", row.id),
    name: row.name,
    slug: row.slug,
    is_byoc: row.is_byoc,
    api_keys_by_admins: row.api_keys_by_admins,
    audit_exec: row.audit_exec,
    created_at: row.created_at.toISOString(),
  };
}

/** A member as the team sees them. */
export function toMember(row: MemberRow): Member {
  return {
    user_id: toWireId("usr", row.user_id),
    name: row.name,
    email: row.email,
    email_verified: row.email_verified,
    role: row.role,
    joined_at: row.created_at.toISOString(),
  };
}
