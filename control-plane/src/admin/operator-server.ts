import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import {
  CreateAdmin,
  NameTeam,
  NameUser,
  OPERATOR_SOCKET,
  ResetPassword,
  RotateKeys,
  SetAdmin,
  SetByoc,
} from "@warren/contracts/rest/admin";
import { SetTeamQuota } from "@warren/contracts/rest/quotas";
import { SetUsageLimits } from "@warren/contracts/rest/usage-limits";
import { isSocketPath } from "@warren/server/socket-path";
import Fastify, { type FastifyBaseLogger } from "fastify";
import { OPERATOR } from "../callers/caller.ts";
import { type HostRouteParts, hostRoutes } from "../host-registry/host-routes.ts";
import type { App } from "../http/app-types.ts";
import { handleErrors } from "../http/errors/error-handler.ts";
import { createSerializerCompiler, createValidatorCompiler, formatSchemaErrors } from "../http/errors/validation.ts";
import { RequestLog } from "../http/request-log.ts";
import type { Logger } from "../logging.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import type { StoredKeys } from "../signing-keys/stored-keys.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import type { AdminService } from "./admin-service.ts";
import type { PlatformLists } from "./platform-lists.ts";
import type { PlatformStore } from "./platform-store.ts";
import { toAdminTeam, toAdminUser } from "./platform-view.ts";
import type { Setup } from "./setup.ts";

/** What the server needs. */
export interface OperatorServerParts {
  admins: AdminService;
  platform: PlatformStore;
  lists: PlatformLists;
  quotas: QuotaStore;
  usageLimits: UsageLimitStore;
  /** Absent when the settings name the signing keys. */
  keys: StoredKeys | undefined;
  setup: Setup;
  hostRegistry: Omit<HostRouteParts, "keeperOf">;
  /** Address of the dashboard for browsers, without a slash at the end. */
  dashboardUrl: string;
  log: Logger;
}

/**
 * Serves the operator of this machine on a unix socket in the data directory: whoever may open it, the user of the
 * server and root, may do all of this without a further credential.
 */
export async function startOperatorServer(
  dataDir: string,
  parts: OperatorServerParts,
): Promise<{ close(): Promise<void> }> {
  const path = join(dataDir, OPERATOR_SOCKET);
  if (!isSocketPath(path)) {
    parts.log.warn({ path }, "the path is too long for a socket: `warren admin` cannot reach this server");
    return { close: async () => undefined };
  }
  const server = createServer(parts);
  // The data directory is this process's alone, so a socket that stands there is a left-over.
  await rm(path, { force: true });
  await server.listen({ path });
  await chmod(path, 0o600);
  return { close: () => server.close() };
}

function createServer(parts: OperatorServerParts): App {
  const { admins, platform, lists, quotas, usageLimits, keys, setup, hostRegistry, dashboardUrl, log } = parts;
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new RequestLog(log),
    forceCloseConnections: true,
    schemaErrorFormatter: formatSchemaErrors,
  }) as unknown as App;
  app.setValidatorCompiler(createValidatorCompiler());
  app.setSerializerCompiler(createSerializerCompiler());
  handleErrors(app);

  const teamOf = async (slug: string) => {
    const id = await platform.findTeamBySlug(slug);
    if (id === undefined) throw new WarrenError("not_found", `there is no team with the slug ${slug}`);
    return id;
  };

  app.get("/users", async () => (await lists.users()).rows.map(toAdminUser));
  app.get("/teams", async () => (await lists.teams()).rows.map(toAdminTeam));
  app.post("/admins", { schema: { body: CreateAdmin } }, async (request, reply) => {
    await admins.create(request.body);
    return reply.code(204).send();
  });
  app.post("/setup-link", async () => setup.createLink(dashboardUrl));
  app.post("/grant", { schema: { body: SetAdmin } }, async (request, reply) => {
    await admins.grant(request.body);
    return reply.code(204).send();
  });
  app.post("/revoke", { schema: { body: SetAdmin } }, async (request, reply) => {
    await admins.revoke(request.body);
    return reply.code(204).send();
  });
  app.post("/deactivate", { schema: { body: NameUser } }, async (request, reply) => {
    await admins.setDeactivated(request.body.email, true);
    return reply.code(204).send();
  });
  app.post("/activate", { schema: { body: NameUser } }, async (request, reply) => {
    await admins.setDeactivated(request.body.email, false);
    return reply.code(204).send();
  });
  app.post("/password", { schema: { body: ResetPassword } }, async (request, reply) => {
    await admins.resetPassword(request.body);
    return reply.code(204).send();
  });
  app.put("/teams/:slug/byoc", { schema: { params: NameTeam, body: SetByoc } }, async (request, reply) => {
    await admins.setByoc(OPERATOR, await teamOf(request.params.slug), request.body.is_byoc);
    return reply.code(204).send();
  });
  app.get("/teams/:slug/quota", { schema: { params: NameTeam } }, async (request) =>
    quotas.get(await teamOf(request.params.slug)),
  );
  app.put("/teams/:slug/quota", { schema: { params: NameTeam, body: SetTeamQuota } }, async (request) => {
    const teamId = await teamOf(request.params.slug);
    await admins.setQuota(OPERATOR, teamId, request.body);
    return quotas.get(teamId);
  });
  app.get("/teams/:slug/usage-limits", { schema: { params: NameTeam } }, async (request) =>
    usageLimits.get(await teamOf(request.params.slug), Date.now()),
  );
  app.put("/teams/:slug/usage-limits", { schema: { params: NameTeam, body: SetUsageLimits } }, async (request) => {
    const teamId = await teamOf(request.params.slug);
    await admins.setUsageLimits(OPERATOR, teamId, request.body);
    return usageLimits.get(teamId, Date.now());
  });
  app.post("/signing-keys", { schema: { body: RotateKeys } }, async (request, reply) => {
    if (!keys) throw new WarrenError("conflict", "JWT_SECRET names the key; change it there and restart");
    await keys.rotate(request.body);
    return reply.code(204).send();
  });
  // As at the public address: the client library serves for both.
  void app.register(hostRoutes({ ...hostRegistry, keeperOf: () => ({ kind: "operator" }) }));
  return app;
}
