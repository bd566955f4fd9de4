import type { AuthResponse } from "@warren/contracts/rest/accounts";
import { toWireId } from "../identifiers/wire-id.ts";
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
