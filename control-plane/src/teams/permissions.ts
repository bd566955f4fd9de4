import { WarrenError } from "@warren/contracts/errors";
import type { TeamRole } from "@warren/contracts/rest/accounts";

/** What members do with their team, and the roles that may. */
const PERMISSIONS = {
  view: ["owner", "admin", "member"],
  update: ["owner", "admin"],
  manageMembers: ["owner", "admin"],
  leave: ["admin", "member"],
  transfer: ["owner"],
  delete: ["owner"],
  /** Hosts that the team has for itself. */
  manageHosts: ["owner", "admin"],
  manageWebhooks: ["owner", "admin"],
  /** In a team whose admins keep API keys to themselves. */
  manageRestrictedApiKeys: ["owner", "admin"],
} as const satisfies Record<string, readonly TeamRole[]>;

/** Something that members do with their team. */
export type TeamAction = keyof typeof PERMISSIONS;

/** Throws `forbidden` when a role does not allow an action. */
export function requirePermission(role: TeamRole, action: TeamAction): void {
  const roles: readonly TeamRole[] = PERMISSIONS[action];
  if (roles.includes(role)) return;
  if (action === "leave") {
    const message = "the owner cannot leave the team: transfer it to another member first, or delete it";
    throw new WarrenError("forbidden", message);
  }
  throw new WarrenError("forbidden", `only ${roles.join(" or ")} may do this, and you are ${role} of the team`);
}
