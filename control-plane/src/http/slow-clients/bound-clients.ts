import type { IncomingMessage, ServerResponse } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Identity } from "../../callers/caller.ts";
import { networkOf } from "../../rate-limits/network.ts";
import { RateLimited } from "../../rate-limits/rate-limited.ts";
import type { App } from "../app-types.ts";
import { OpenBodies } from "./open-bodies.ts";
import { OpenConnections } from "./open-connections.ts";
import { OpenCounts } from "./open-counts.ts";
import type { TransferLimits } from "./transfer-limits.ts";
import { bringsBody, TransferWatch } from "./transfer-watch.ts";
import { whenOver } from "./when-over.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Set on routes whose requests count for the user who makes them, and for no team. */
    countsForUser?: boolean;
  }
}

/** What clients may do, and the proxies through which they come, if any. */
export type ClientLimits = TransferLimits & { trustedProxies: readonly string[] };

/** Bounds how slow the clients of a server may be, and how much they may have open and under way. */
export function boundClients(app: App, limits: ClientLimits): void {
  const watch = new TransferWatch(limits);
  const bodies = new OpenBodies();
  boundConnections(app, limits);
  const ofNetworks = new OpenCounts();
  const ofCallers = new OpenCounts();
  /** Counts a request until its answer is over, and a WebSocket until it is closed. */
  const enter = (counts: OpenCounts, owner: string, most: number, request: FastifyRequest, reply: FastifyReply) => {
    if (!counts.enter(owner, most)) throw new RateLimited(`${most} requests are under way already`, 1);
    const leave = () => counts.leave(owner);
    if (request.ws) request.raw.socket.once("close", leave);
    else whenOver(reply.raw, leave);
  };
  const begin = (request: FastifyRequest, reply: FastifyReply) => {
    const { socket } = request;
    if (socket.remoteAddress === undefined) {
      // The kernel knows already that the other end is gone, and to whom it belonged no longer.
      socket.destroy(Object.assign(new Error("the client has left"), { code: "ECONNRESET" }));
      throw clientHasLeft();
    }
    const network = networkOf(request.ip);
    enter(ofNetworks, network, limits.requestsPerNetwork, request, reply);
    if (request.ws) return;
    watch.add(request.raw, reply.raw);
    if (bringsBody(request.raw)) {
      bodies.enter(`network ${network}`, request.raw, reply.raw, limits.bodiesPerNetwork);
    }
  };
  const beginOfCaller = (request: FastifyRequest, reply: FastifyReply) => {
    const hasBody = !request.ws && bringsBody(request.raw);
    // Whoever reads the body of a connection that is gone waits for its end, which has been.
    if (hasBody && request.socket.destroyed) throw clientHasLeft();
    const owner = ownerOf(request);
    if (owner === undefined) return;
    const isTeam = owner.startsWith("team");
    enter(ofCallers, owner, isTeam ? limits.requestsPerTeam : limits.requestsPerUser, request, reply);
    if (hasBody) bodies.enter(owner, request.raw, reply.raw, limits.bodiesPerTeam);
  };
  app.addHook("onRequest", (request, reply, done) => {
    begin(request, reply);
    done();
  });
  // After the hooks that authenticate, and before the body is read.
  app.addHook("preParsing", (request, reply, _payload, done) => {
    beginOfCaller(request, reply);
    done();
  });
  const timer = setInterval(() => watch.check(), watch.intervalMs).unref();
  app.addHook("onClose", async () => clearInterval(timer));
}

function clientHasLeft(): WarrenError {
  return new WarrenError("invalid_request", "the client has left");
}

/** Where all come through a proxy, the networks of clients do not show in connections. */
function boundConnections(app: App, { trustedProxies, ...limits }: ClientLimits): void {
  const { connections, connectionsPerNetwork } = limits;
  const open = new OpenConnections({
    connections,
    connectionsPerNetwork: trustedProxies.length > 0 ? connections : connectionsPerNetwork,
  });
  app.server.on("connection", (socket) => open.add(socket));
  app.server.on("upgrade", ({ socket }: IncomingMessage) => open.begin(socket));
  app.server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    open.begin(socket);
    whenOver(response, () => open.end(socket));
  });
}

/**
 * For whom a request counts: the team, or the user alone where accounts, keys and members are concerned, so that people can
 * revoke a key, or remove a member, that has all under way that the team may.
 */
function ownerOf({ caller, routeOptions }: FastifyRequest): string | undefined {
  if (caller?.kind === "user" && routeOptions.config.countsForUser) return `user ${caller.userId}`;
  const teamId = teamOf(caller);
  return teamId && `team ${teamId}`;
}

/** UUID of the team for which somebody acts. */
export function teamOf(identity: Identity | null): string | undefined {
  return identity?.kind === "api_key" ? identity.teamId : identity?.team?.id;
}
