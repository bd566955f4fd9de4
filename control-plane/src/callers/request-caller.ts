import type { FastifyRequest } from "fastify";
import { type Caller, type Identity, type SignedInUser, type UserCaller, withTeam } from "./caller.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set on routes that require a caller; read it with `callerOf`, `userOf` or `memberOf`. */
    caller: Identity | null;
  }
}

/** The caller of a request on a route that requires one. */
export function callerOf(request: FastifyRequest): Caller {
  const identity = request.caller;
  if (!identity) throw new Error(`${request.url} is not in a scope that requires a caller`);
  return identity.kind === "api_key" ? identity : withTeam(identity);
}

/** The user who makes a request on a route that requires one. */
export function userOf(request: FastifyRequest): SignedInUser {
  if (request.caller?.kind !== "user") throw new Error(`${request.url} is not in a scope that requires a user`);
  return request.caller;
}

/** The user of a request and the team for which the user acts; throws `no_team` without one. */
export function memberOf(request: FastifyRequest): UserCaller {
  return withTeam(userOf(request));
}
