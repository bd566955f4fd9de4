import type { IncomingMessage } from "node:http";
import type {} from "@fastify/websocket";
import { WarrenError } from "@warren/contracts/errors";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import type { FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import type { App } from "../app.ts";
import { type AccessChanges, concerns } from "./access-changes.ts";
import type { Authenticator } from "./authenticator.ts";
import { type ApiKeyCaller, type Identity, withTeam } from "./caller.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Scope that an API key needs on this route, when it is not the one of its plugin. */
    apiKeyScope?: ApiKeyScope;
  }
}

/** Closing status of a WebSocket whose caller may no longer use it (RFC 6455, section 7.4.1). */
const POLICY_VIOLATION = 1008;
/** Milliseconds that its client has to answer the closing handshake; what it sends meanwhile still arrives. */
const CLOSE_TIMEOUT_MS = 500;

/** The right with which a WebSocket was opened. */
interface Grant {
  identity: Identity;
  /** Rejects when the credential does not give the right any more. */
  check(): Promise<unknown>;
}

/** Lets callers with a valid credential pass, and ends what they have open when they lose the right to it. */
export class AccessGuard {
  readonly #authenticator: Authenticator;
  readonly #changes: AccessChanges;
  readonly #grants = new WeakMap<IncomingMessage, Grant>();

  constructor(authenticator: Authenticator, changes: AccessChanges) {
    this.#authenticator = authenticator;
    this.#changes = changes;
  }

  /**
   * Makes every route that is registered in this scope require a valid credential of someone who acts for a team.
   * Reading is open to every API key; anything else, WebSockets included, needs `scope`. The check runs before the body
   * is read, so that a stranger's body is never parsed.
   */
  requireCaller(app: App, scope: ApiKeyScope): void {
    app.addHook("onRequest", async (request) => {
      const needed = neededScope(request, scope);
      request.caller = await this.#authorize(request, needed);
      if (!request.ws) return;
      const check = () => this.#authorize(request, needed);
      this.#grants.set(request.raw, { identity: request.caller, check });
    });
  }

  /** Makes every route in this scope require a signed-in user; an API key is not enough. */
  requireUser(app: App): void {
    app.addHook("onRoute", ({ schema }) => {
      if (schema) schema.security ??= [{ session: [] }];
    });
    app.addHook("onRequest", async (request) => {
      const identity = await this.#authenticator.authenticate(request.headers);
      if (identity.kind === "api_key") {
        throw new WarrenError("forbidden", "an API key may not do this; sign in and send the session token");
      }
      request.caller = identity;
    });
  }

  /** Ends WebSockets whose callers lose the right to them while they are open. */
  watchWebSockets(app: App): void {
    app.websocketServer.on("connection", (socket: WebSocket, request: IncomingMessage) => {
      const grant = this.#grants.get(request);
      if (!grant) return;
      const recheck = () => {
        grant.check().catch((error: unknown) => {
          // A database that is away says nothing about rights.
          if (error instanceof WarrenError) revoke(socket);
        });
      };
      const unsubscribe = this.#changes.subscribe((change) => {
        if (concerns(change, whoOf(grant.identity))) recheck();
      });
      socket.once("close", unsubscribe);
      // The right may have gone between the check of the request and this moment.
      recheck();
    });
  }

  async #authorize(request: FastifyRequest, scope: ApiKeyScope): Promise<Identity> {
    const identity = await this.#authenticator.authenticate(request.headers);
    if (identity.kind === "api_key") requireScope(identity, scope);
    else withTeam(identity);
    return identity;
  }
}

function revoke(socket: WebSocket): void {
  if (socket.readyState !== socket.OPEN) return;
  socket.close(POLICY_VIOLATION, "access was revoked");
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  socket.once("close", () => clearTimeout(timer));
}

function whoOf(identity: Identity) {
  if (identity.kind === "api_key") return { teamId: identity.teamId };
  return { userId: identity.userId, teamId: identity.team?.id, sessionId: identity.sessionId };
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
