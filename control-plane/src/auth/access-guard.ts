import type { IncomingMessage } from "node:http";
import type {} from "@fastify/websocket";
import { WarrenError } from "@warren/contracts/errors";
import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import type { App } from "../app.ts";
import { answerAndClose } from "../errors/protocol-errors.ts";
import { whenOver } from "../slow-clients/when-over.ts";
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

/** Milliseconds that a timer can wait at most. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The right with which a request was accepted. */
interface Grant {
  identity: Identity;
  /** `AccessChanges.told` before the right was looked at. */
  told: number;
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
   * is read, so that a stranger's body is never parsed. A caller who loses the right while the request is under way is told
   * so, unless the answer has begun, and loses the connection, as if the client had left.
   */
  requireCaller(app: App, scope: ApiKeyScope): void {
    app.addHook("onRequest", async (request, reply) => {
      const needed = neededScope(request, scope);
      const { told } = this.#changes;
      request.caller = await this.#authorize(request, needed);
      const grant = { identity: request.caller, told, check: () => this.#authorize(request, needed) };
      if (request.ws) this.#grants.set(request.raw, grant);
      else
        whenOver(
          reply.raw,
          this.#watch(grant, (error) => breakOff(request, reply, error)),
        );
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
      socket.once(
        "close",
        this.#watch(grant, () => revoke(socket)),
      );
    });
  }

  /** Calls `end` with the reason once the right is gone; returns what ends the watch. */
  #watch(grant: Grant, end: (error: WarrenError) => void): () => void {
    const recheck = () => {
      grant.check().catch((error: unknown) => {
        // A database that is away says nothing about rights.
        if (error instanceof WarrenError) end(error);
      });
    };
    const unsubscribe = this.#changes.subscribe((change) => {
      if (concerns(change, whoOf(grant.identity))) recheck();
    });
    const cancel = atExpiry(grant.identity, recheck);
    // The right may have gone since it was looked at.
    if (this.#changes.told !== grant.told) recheck();
    return () => {
      unsubscribe();
      cancel();
    };
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

/** Ends a request whose answer nobody may have any more. */
function breakOff({ socket }: FastifyRequest, { raw }: FastifyReply, error: WarrenError): void {
  // An earlier request on the connection may have its answer still to come.
  const mayAnswer = !raw.headersSent && raw.socket === socket && socket.writable;
  if (mayAnswer) answerAndClose(socket, error);
  else socket.destroy(error);
}

/** Calls `task` when a credential ends by itself at a time that its owner has set; returns what calls that off. */
function atExpiry(identity: Identity, task: () => void): () => void {
  const expiresAt = identity.kind === "api_key" ? identity.expiresAt?.getTime() : undefined;
  if (expiresAt === undefined) return () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    const rest = expiresAt - Date.now();
    if (rest <= 0) task();
    else timer = setTimeout(wait, Math.min(rest, LONGEST_TIMER_MS)).unref();
  };
  wait();
  return () => clearTimeout(timer);
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
