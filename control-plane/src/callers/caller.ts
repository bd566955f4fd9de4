import { WarrenError } from "@warren/contracts/errors";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import { OPERATOR_NAME } from "@warren/contracts/rest/audit";
import { toWireId } from "../identifiers/wire-id.ts";

/** Who acts for a team: the actor of what a request does. Authentication has read all of it from the database. */
export type Caller = ApiKeyCaller | UserCaller;

/** Who makes a request, before it is known that a user has a team to act for. */
export type Identity = ApiKeyCaller | SignedInUser;

/** A program that holds an API key of a team. */
export interface ApiKeyCaller {
  kind: "api_key";
  /** UUID of the team on whose behalf the caller acts. */
  teamId: string;
  /** UUID of the API key. */
  keyId: string;
  keyName: string;
  scopes: readonly ApiKeyScope[];
  /** When the key ends by itself. */
  expiresAt?: Date;
}

/** A user with a session. */
export interface SignedInUser {
  kind: "user";
  /** UUID. */
  userId: string;
  userName: string;
  email: string;
  /** Whether the user administers the platform. */
  isAdmin: boolean;
  /** UUID. */
  sessionId: string;
  /** When the session ends, unless it is renewed. */
  expiresAt: Date;
  /** UUID of the session's team and the user's role in it; absent when the user has left it or it is deleted. */
  team?: { id: string; role: TeamRole };
}

/** A user who acts for the team of the session. */
export interface UserCaller extends SignedInUser {
  /** UUID of the team on whose behalf the caller acts. */
  teamId: string;
  role: TeamRole;
}

/** A user as one who acts for the team of the session; throws `no_team` without one. */
export function withTeam(user: SignedInUser): UserCaller {
  if (!user.team) {
    throw new WarrenError(
      "no_team",
      "you are not a member of this session's team, or it is deleted; switch to another team",
    );
  }
  return { ...user, teamId: user.team.id, role: user.team.role };
}

/** Who did something, for records: the id that clients know, and the name at that time; or the server itself, or its operator. */
export type Actor = { type: "user" | "api_key"; id: string; name: string } | { type: "system"; name?: string };

/** The server. */
export const SYSTEM: Actor = { type: "system" };

/** Who may do on the server's machine what its user and root may, by the settings and by `warren admin`. */
export const OPERATOR: Actor = { type: "system", name: OPERATOR_NAME };

export function actorOf(identity: Identity): Actor {
  return identity.kind === "api_key"
    ? { type: "api_key", id: toWireId("key", identity.keyId), name: identity.keyName }
    : { type: "user", id: toWireId("usr", identity.userId), name: identity.userName };
}
