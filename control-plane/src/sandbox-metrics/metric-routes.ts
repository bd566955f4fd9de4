import { ErrorBody } from "@warren/contracts/rest/error";
import { SandboxMetrics, SandboxMetricsQuery, TeamMetrics, TeamMetricsQuery } from "@warren/contracts/rest/metrics";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { SandboxService } from "../sandboxes/sandbox-service.ts";
import type { MetricReads } from "./metric-reads.ts";

const tags = ["sandboxes"];

/** Routes of what sandboxes used. */
export function metricRoutes({ metrics, sandboxes }: { metrics: MetricReads; sandboxes: SandboxService }): Routes {
  return async (app) => {
    app.get(
      "/v1/sandboxes/metrics",
      {
        schema: {
          tags,
          summary: "Get what each of the team's sandboxes used of processor, memory, disk and network",
          querystring: TeamMetricsQuery,
          response: { 200: TeamMetrics, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const range = request.query.range ?? "5m";
        return { range, sandboxes: await metrics.ofTeam(callerOf(request).teamId, range) };
      },
    );

    app.get(
      "/v1/sandboxes/:id/metrics",
      {
        schema: {
          tags,
          summary: "Get what a sandbox used of processor, memory, disk and network, also one that is over",
          params: SandboxParams,
          querystring: SandboxMetricsQuery,
          response: { 200: SandboxMetrics, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const range = request.query.range ?? "1h";
        const { id } = await sandboxes.get(callerOf(request), request.params.id);
        return { range, series: await metrics.ofSandbox(id, range) };
      },
    );
  };
}
