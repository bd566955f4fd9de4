import type { AuthResponse } from "@warren/contracts/rest/accounts";
import type { UserSession } from "@warren/contracts/rest/sessions";
import { toWireId } from "../identifiers/wire-id.ts";
import type { SessionRow } from "./session-store.ts";
import type { Session } from "./sign-in.ts";

/** A session as its owner sees it; the token only when it is to be kept by the client itself. */
export function toAuthResponse(session: Session, { withToken }: { withToken: boolean }): AuthResponse {
  const { user, team } = session;
  return {
    ...(withToken ? { token: session.token } : {}),
    expires_at: session.expiresAt.toISOString(),
    user_id: toWireId("usr", user.id),
    team_id: toWireId("team", team.id),
    role: team.role,
    email: user.email,
    name: user.name,
    is_admin: user.is_admin,
  };
}

/** A session in the list of its user; `currentId` is the UUID of the one that asks. */
export function toUserSession(row: SessionRow, currentId: string): UserSession {
  return {
    id: toWireId("ses", row.id),
    current: row.id === currentId,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    ...(row.user_agent === null ? {} : { user_agent: row.user_agent }),
    ...(row.address === null ? {} : { address: row.address }),
  };
}
