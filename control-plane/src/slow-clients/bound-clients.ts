import { WarrenError } from "@warren/contracts/errors";
import type { App } from "../app.ts";
import type { Identity } from "../auth/caller.ts";
import { networkOf } from "../rate-limits/network.ts";
import { OpenBodies } from "./open-bodies.ts";
import type { TransferLimits } from "./transfer-limits.ts";
import { bringsBody, TransferWatch } from "./transfer-watch.ts";

/** Bounds how slow the clients of a server may be, and how many bodies they may have under way. */
export function boundClients(app: App, limits: TransferLimits): void {
  const watch = new TransferWatch(limits);
  const bodies = new OpenBodies();
  app.addHook("onRequest", async (request, reply) => {
    const { socket } = request;
    if (socket.remoteAddress === undefined) {
      // The kernel knows already that the other end is gone, and to whom it belonged no longer.
      socket.destroy(Object.assign(new Error("the client has left"), { code: "ECONNRESET" }));
      throw new WarrenError("invalid_request", "the client has left");
    }
    if (request.ws) return;
    watch.add(request.raw, reply.raw);
    if (bringsBody(request.raw)) {
      bodies.enter(`network ${networkOf(request.ip)}`, request.raw, reply.raw, limits.bodiesPerNetwork);
    }
  });
  // After the hooks that authenticate, and before the body is read.
  app.addHook("preParsing", async (request, reply) => {
    const teamId = teamOf(request.caller);
    if (teamId === undefined || request.ws || !bringsBody(request.raw)) return;
    bodies.enter(`team ${teamId}`, request.raw, reply.raw, limits.bodiesPerTeam);
  });
  const timer = setInterval(() => watch.check(), watch.intervalMs).unref();
  app.addHook("onClose", async () => clearInterval(timer));
}

/** UUID of the team for which somebody acts. */
export function teamOf(identity: Identity | null): string | undefined {
  return identity?.kind === "api_key" ? identity.teamId : identity?.team?.id;
}
