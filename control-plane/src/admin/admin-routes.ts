import { WarrenError } from "@warren/contracts/errors";
import { AdminTeam, AdminUser, type PlatformPermission, SetByoc } from "@warren/contracts/rest/admin";
import { ErrorBody } from "@warren/contracts/rest/error";
import { SetTeamQuota, TeamQuota } from "@warren/contracts/rest/quotas";
import { TeamParams } from "@warren/contracts/rest/teams";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { AdminService } from "./admin-service.ts";
import type { PlatformStore } from "./platform-store.ts";
import { toAdminTeam, toAdminUser } from "./platform-view.ts";

const tags = ["administration"];

/** What the routes need. */
export interface AdminRouteParts {
  admins: AdminService;
  platform: PlatformStore;
  quotas: QuotaStore;
  teams: TeamStore;
}

/** Routes under `/v1/admin`, for users whom the database names as administrators of the platform or gives the right. */
export function adminRoutes({ admins, platform, quotas, teams }: AdminRouteParts): Routes {
  const requireRight = (permission: PlatformPermission) => async (request: FastifyRequest) =>
    admins.require(userOf(request).userId, permission);
  const liveTeam = async (id: string) => {
    const team = await teams.findLive(fromWireId("team", id));
    if (!team) throw new WarrenError("not_found", "there is no such team");
    return team.id;
  };

  return async (app) => {
    app.get(
      "/v1/admin/users",
      {
        preValidation: requireRight("users"),
        schema: { tags, summary: "List all users", response: { 200: Type.Array(AdminUser), "4xx": ErrorBody } },
      },
      async () => (await platform.users()).map(toAdminUser),
    );

    app.get(
      "/v1/admin/teams",
      {
        preValidation: requireRight("teams"),
        schema: {
          tags,
          summary: "List all teams, deleted ones included, newest first",
          response: { 200: Type.Array(AdminTeam), "4xx": ErrorBody },
        },
      },
      async () => (await platform.teams()).map(toAdminTeam),
    );

    app.put(
      "/v1/admin/teams/:id/byoc",
      {
        preValidation: requireRight("teams"),
        schema: {
          tags,
          summary: "Say whether a team runs its sandboxes on hosts of its own",
          params: TeamParams,
          body: SetByoc,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await platform.setByoc(await liveTeam(request.params.id), request.body.is_byoc);
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/admin/teams/:id/quota",
      {
        preValidation: requireRight("teams"),
        schema: {
          tags,
          summary: "Get what a team may use and what it uses",
          params: TeamParams,
          response: { 200: TeamQuota, "4xx": ErrorBody },
        },
      },
      async (request) => quotas.get(await liveTeam(request.params.id)),
    );

    app.put(
      "/v1/admin/teams/:id/quota",
      {
        preValidation: requireRight("teams"),
        schema: {
          tags,
          summary: "Set limits of a team",
          description: "Limits that are not named stay as they are. What runs already is not ended.",
          params: TeamParams,
          body: SetTeamQuota,
          response: { 200: TeamQuota, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const teamId = await liveTeam(request.params.id);
        await quotas.set(teamId, request.body);
        return quotas.get(teamId);
      },
    );
  };
}
