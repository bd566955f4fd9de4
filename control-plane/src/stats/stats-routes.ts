import { ErrorBody } from "@warren/contracts/rest/error";
import { SandboxStats, SandboxStatsQuery } from "@warren/contracts/rest/stats";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { StatsReads } from "./stats-reads.ts";

/** Routes of what a team has in use. */
export function statsRoutes(stats: StatsReads): Routes {
  return async (app) => {
    app.get(
      "/v1/sandboxes/stats",
      {
        schema: {
          tags: ["sandboxes"],
          summary: "Get what the team's sandboxes take and took",
          querystring: SandboxStatsQuery,
          response: { 200: SandboxStats, "4xx": ErrorBody },
        },
      },
      async (request) => stats.get(callerOf(request).teamId, request.query.range ?? "1h"),
    );
  };
}
