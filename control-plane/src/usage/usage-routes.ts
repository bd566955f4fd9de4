import { ErrorBody } from "@warren/contracts/rest/error";
import { TeamUsage, UsageQuery } from "@warren/contracts/rest/usage";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { UsageLimitStore } from "./limits/usage-limit-store.ts";
import { usageCsv } from "./usage-csv.ts";
import { periodOf } from "./usage-period.ts";
import type { UsageReads } from "./usage-reads.ts";

/** RFC 4180. */
const CSV = "text/csv";

/** Route of what a team has used. */
export function usageRoutes(usage: UsageReads, limits: UsageLimitStore): Routes {
  return async (app) => {
    app.get(
      "/v1/usage",
      {
        schema: {
          tags: ["teams"],
          summary: "Get what the team has used of processors, memory, disk and network, day by day",
          querystring: UsageQuery,
          response: {
            200: {
              description: "What was used; with `format=csv` as a file",
              content: { "application/json": { schema: TeamUsage }, [CSV]: { schema: Type.String() } },
            },
            "4xx": ErrorBody,
          },
        },
      },
      async (request, reply) => {
        const { format, group_by: groupBy } = request.query;
        const { teamId } = callerOf(request);
        const now = Date.now();
        const period = periodOf(request.query, now);
        if (format !== "csv") {
          const [used, standing] = await Promise.all([usage.get(teamId, period, groupBy), limits.find(teamId, now)]);
          return { ...used, ...(standing && { limits: standing }) };
        }
        const used = await usage.get(teamId, period, groupBy);
        const name = `usage-${period.from}-${period.to}.csv`;
        reply.type(`${CSV}; charset=utf-8`).header("content-disposition", `attachment; filename="${name}"`);
        // Text is sent as it stands, whatever the schema of the other format.
        return reply.send(usageCsv(used) as never);
      },
    );
  };
}
