import type { FastifyRequest } from "fastify";
import type { App } from "../app.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Caller } from "./caller.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set on routes that require a caller; read it with `callerOf`. */
    caller: Caller | null;
  }
}

/**
 * Makes every route that is registered in this scope require a valid credential. The check runs before the body is
 * read, so that a stranger's body is never parsed.
 */
export function requireCaller(scope: App, authenticator: Authenticator): void {
  scope.addHook("onRequest", async (request) => {
    request.caller = await authenticator.authenticate(request.headers);
  });
}

/** The caller of a request on a route that requires one. */
export function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Error(`${request.url} is not in a scope that requires a caller`);
  return request.caller;
}
