import { WarrenError } from "@warren/contracts/errors";
import { AdminUser, type PlatformPermission, SetByoc, UpdateUser, UserParams } from "@warren/contracts/rest/admin";
import { ErrorBody } from "@warren/contracts/rest/error";
import { SetTeamQuota, TeamQuota } from "@warren/contracts/rest/quotas";
import { TeamParams } from "@warren/contracts/rest/teams";
import { SetUsageLimits, UsageLimits } from "@warren/contracts/rest/usage-limits";
import { Type } from "typebox";
import { actorOf } from "../callers/caller.ts";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import type { AdminService } from "./admin-service.ts";
import type { PlatformLists } from "./platform-lists.ts";
import { toAdminUser } from "./platform-view.ts";
import { requireRight } from "./require-right.ts";
import type { UserRights } from "./user-rights.ts";

const tags = ["administration"];

/** What the routes need. */
export interface AdminRouteParts {
  admins: AdminService;
  lists: PlatformLists;
  rights: UserRights;
  quotas: QuotaStore;
  usageLimits: UsageLimitStore;
  teams: TeamStore;
}

/** Routes under `/v1/admin`, for users whom the database names as administrators of the platform or gives the right. */
export function adminRoutes({ admins, lists, rights, quotas, usageLimits, teams }: AdminRouteParts): Routes {
  const right = (permission: PlatformPermission) => requireRight(admins, permission);
  const liveTeam = async (id: string) => {
    const team = await teams.findLive(fromWireId("team", id));
    if (!team) throw new WarrenError("not_found", "there is no such team");
    return team.id;
  };

  return async (app) => {
    app.patch(
      "/v1/admin/users/:id",
      {
        preValidation: right("users"),
        schema: {
          tags,
          summary: "Let another user administer the platform, or shut the user out, or no longer",
          description:
            "Who administers the platform, and whoever has rights on it, is for its administrators alone to change, and nobody's own.",
          params: UserParams,
          body: UpdateUser,
          response: { 200: AdminUser, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const id = fromWireId("usr", request.params.id);
        await rights.update(userOf(request), id, request.body);
        const user = await lists.user(id);
        if (!user) throw new WarrenError("not_found", "there is no such user");
        return toAdminUser(user);
      },
    );

    app.put(
      "/v1/admin/teams/:id/byoc",
      {
        preValidation: right("teams"),
        schema: {
          tags,
          summary: "Say whether a team runs its sandboxes on hosts of its own",
          params: TeamParams,
          body: SetByoc,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const by = actorOf(userOf(request));
        await admins.setByoc(by, await liveTeam(request.params.id), request.body.is_byoc);
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/admin/teams/:id/quota",
      {
        preValidation: right("teams"),
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
        preValidation: right("teams"),
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
        await admins.setQuota(actorOf(userOf(request)), teamId, request.body);
        return quotas.get(teamId);
      },
    );

    app.get(
      "/v1/admin/teams/:id/usage-limits",
      {
        preValidation: right("teams"),
        schema: {
          tags,
          summary: "Get what a team may use in a month and has used in this one",
          params: TeamParams,
          response: { 200: UsageLimits, "4xx": ErrorBody },
        },
      },
      async (request) => usageLimits.get(await liveTeam(request.params.id), Date.now()),
    );

    app.put(
      "/v1/admin/teams/:id/usage-limits",
      {
        preValidation: right("teams"),
        schema: {
          tags,
          summary: "Set what a team may use in a month",
          description:
            "What is not named stays as it is. At a limit the team's sandboxes are paused within seconds, and none starts: never " +
            "is one destroyed.",
          params: TeamParams,
          body: SetUsageLimits,
          response: { 200: UsageLimits, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const teamId = await liveTeam(request.params.id);
        await admins.setUsageLimits(actorOf(userOf(request)), teamId, request.body);
        return usageLimits.get(teamId, Date.now());
      },
    );
  };
}
