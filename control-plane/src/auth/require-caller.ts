import { WarrenError } from "@warren/contracts/errors";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import type { FastifyRequest } from "fastify";
import type { App } from "../app.ts";
import type { Authenticator } from "./authenticator.ts";
import type { ApiKeyCaller, Caller, Identity, SignedInUser, UserCaller } from "./caller.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set on routes that require a caller; read it with `callerOf`, `userOf` or `memberOf`. */
    caller: Identity | null;
  }
  interface FastifyContextConfig {
    /** Scope that an API key needs on this route, when it is not the one of its plugin. */
    apiKeyScope?: ApiKeyScope;
  }
}

/**
 * Makes every route that is registered in this scope require a valid credential of someone who acts for a team. Reading
 * is open to every API key; anything else, WebSockets included, needs `scope`. The check runs before the body is read,
 * so that a stranger's body is never parsed.
 */
export function requireCaller(app: App, authenticator: Authenticator, scope: ApiKeyScope): void {
  app.addHook("onRequest", async (request) => {
    const identity = await authenticator.authenticate(request.headers);
    if (identity.kind === "api_key") requireScope(identity, neededScope(request, scope));
    else withTeam(identity);
    request.caller = identity;
  });
}

/** Makes every route in this scope require a signed-in user; an API key is not enough. */
export function requireUser(app: App, authenticator: Authenticator): void {
  app.addHook("onRequest", async (request) => {
    const identity = await authenticator.authenticate(request.headers);
    if (identity.kind === "api_key") {
      throw new WarrenError("forbidden", "an API key may not do this; sign in and send the session token");
    }
    request.caller = identity;
  });
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

function withTeam(user: SignedInUser): UserCaller {
  if (!user.team) {
    throw new WarrenError(
      "no_team",
      "you are not a member of this session's team, or it is deleted; switch to another team",
    );
  }
  return { ...user, teamId: user.team.id, role: user.team.role };
}

function neededScope(request: FastifyRequest, scope: ApiKeyScope): ApiKeyScope {
  const { apiKeyScope } = request.routeOptions.config;
  if (apiKeyScope) return apiKeyScope;
  const reads = (request.method === "GET" || request.method === "HEAD") && request.headers.upgrade === undefined;
  return reads ? "read" : scope;
}

function requireScope(caller: ApiKeyCaller, scope: ApiKeyScope): void {
  if (scope === "read" || caller.scopes.includes(scope)) return;
  throw new WarrenError("forbidden", `the API key has no scope "${scope}"; make one that has it`);
}
