import type { IncomingMessage } from "node:http";
import type {} from "@fastify/websocket";
import { WarrenError } from "@warren/contracts/errors";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import type { FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import { type ApiKeyCaller, type Identity, withTeam } from "../callers/caller.ts";
import type { App } from "../http/app-types.ts";
import { breakOff } from "../http/errors/protocol-errors.ts";
import { whenOver } from "../http/slow-clients/when-over.ts";
import type { AccessChanges } from "./access-changes.ts";
import type { Authenticator } from "./authenticator.ts";
import { type Right, RightWatch } from "./right-watch.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Scope that an API key needs on this route, when it is not the one of its plugin. */
    apiKeyScope?: ApiKeyScope;
  }
}

/** Configuration of a GET that is more than a look at a sandbox: a key that may only read does not see what is in it. */
export const INSIDE = { apiKeyScope: "sandboxes" } as const;

/** Closing status of a WebSocket whose caller may no longer use it (RFC 6455, section 7.4.1). */
const POLICY_VIOLATION = 1008;
/** Milliseconds that its client has to answer the closing handshake; what it sends meanwhile still arrives. */
const CLOSE_TIMEOUT_MS = 500;

/** Lets callers with a valid credential pass, and ends what they have open when they lose the right to it. */
export class AccessGuard {
  readonly #authenticator: Authenticator;
  readonly #changes: AccessChanges;
  readonly #watch: RightWatch;
  readonly #rights = new WeakMap<IncomingMessage, Right>();

  constructor(authenticator: Authenticator, changes: AccessChanges) {
    this.#authenticator = authenticator;
    this.#changes = changes;
    this.#watch = new RightWatch(changes);
  }

  /**
   * Makes every route that is registered in this scope require a valid credential of someone who acts for a team.
   * Reading is open to every API key; anything else, WebSockets included, needs `scope`. The check runs before the body
   * is read, so that the body of one who may not is never parsed. A caller who loses the right while the request is under
   * way is told so, unless the answer has begun, and loses the connection, as if the client had left.
   */
  requireCaller(app: App, scope: ApiKeyScope): void {
    app.addHook("onRequest", async (request, reply) => {
      const needed = neededScope(request, scope);
      const { told } = this.#changes;
      request.caller = await this.#authorize(request, needed);
      const check = () => this.#authorize(request, needed, { again: true });
      const right = { identity: request.caller, told, check };
      const end = (error: WarrenError) => breakOff(request.socket, reply.raw, error);
      if (request.ws) this.#rights.set(request.raw, right);
      else whenOver(reply.raw, this.#watch.watch(right, end));
    });
  }

  /**
   * Makes every route in this scope require a signed-in user; an API key is not enough. What users have under way there
   * counts for them alone.
   */
  requireUser(app: App): void {
    app.addHook("onRoute", (route) => {
      if (route.schema) route.schema.security ??= [{ session: [] }];
      route.config = { ...route.config, countsForUser: true };
    });
    app.addHook("onRequest", async (request) => {
      const identity = await this.#authenticator.authenticate(request.headers);
      if (identity.kind === "api_key") {
        throw new WarrenError("forbidden", "an API key may not do this; sign in and send the session token");
      }
      request.caller = identity;
    });
  }

  /** Who makes a request that is under way; throws when its credential has ended since, or is worth nothing any more. */
  confirm(request: FastifyRequest): Promise<Identity> {
    return this.#authenticator.reauthenticate(request.headers);
  }

  /** Ends WebSockets whose callers lose the right to them while they are open. */
  watchWebSockets(app: App): void {
    app.websocketServer.on("connection", (socket: WebSocket, request: IncomingMessage) => {
      const right = this.#rights.get(request);
      if (!right) return;
      const unwatch = this.#watch.watch(right, () => revoke(socket));
      socket.once("close", unwatch);
    });
  }

  /** Whom a request is from; throws when they may not make it. `again` is for a request that is under way. */
  async #authorize({ headers }: FastifyRequest, scope: ApiKeyScope, { again = false } = {}): Promise<Identity> {
    const identity = await this.#authenticator[again ? "reauthenticate" : "authenticate"](headers);
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
