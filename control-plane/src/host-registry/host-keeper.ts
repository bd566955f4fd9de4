import { type Actor, actorOf, OPERATOR, type SignedInUser } from "../callers/caller.ts";

/** Who manages hosts: a user with a session, or the operator of the server's machine, to whom all of them are open. */
export type HostKeeper = SignedInUser | { kind: "operator" };

/** Who did something with a host, for records. */
export function actorOfKeeper(keeper: HostKeeper): Actor {
  return keeper.kind === "operator" ? OPERATOR : actorOf(keeper);
}

/** UUID of the user, whose the rows are that are made; null of the operator, who has no account. */
export function userIdOfKeeper(keeper: HostKeeper): string | null {
  return keeper.kind === "operator" ? null : keeper.userId;
}
