import { ErrorBody } from "@warren/contracts/rest/error";
import { TeamQuota } from "@warren/contracts/rest/quotas";
import { TeamParams } from "@warren/contracts/rest/teams";
import type { Routes } from "../http/app-types.ts";
import { memberOfTeam } from "../teams/team-routes.ts";
import type { QuotaStore } from "./quota-store.ts";

const tags = ["teams"];

/** Routes of the quota of a team, for users whose session is in that team. */
export function quotaRoutes(quotas: QuotaStore): Routes {
  return async (app) => {
    app.get(
      "/v1/teams/:id/quota",
      {
        schema: {
          tags,
          summary: "Get what a team may use and what it uses",
          params: TeamParams,
          response: { 200: TeamQuota, "4xx": ErrorBody },
        },
      },
      async (request) => quotas.get(memberOfTeam(request, request.params.id).teamId),
    );
  };
}
