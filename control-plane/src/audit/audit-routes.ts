import { WarrenError } from "@warren/contracts/errors";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import { AuditFilters, AuditPage, type AuditScope, ListAuditLogs } from "@warren/contracts/rest/audit";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { FastifyRequest } from "fastify";
import type { Identity } from "../callers/caller.ts";
import { memberOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { EXPORT, pageOf, sendExport } from "./audit-answers.ts";
import type { AuditQuery, AuditView } from "./audit-query.ts";

const tags = ["audit"];

/** What the credentials of requests are worth. */
export interface Rights {
  /** Who makes a request that is under way; throws when its credential has ended since. */
  confirm(request: FastifyRequest): Promise<Identity>;
}

/** Routes of the audit log of the session's team, for users only. */
export function auditRoutes(events: AuditQuery, rights: Rights): Routes {
  return async (app) => {
    app.get(
      "/v1/audit-logs",
      {
        schema: {
          tags,
          summary: "List what happened in the team, the newest first",
          description: "Members see events of the scope `team`; the owner and admins also those of the scope `admin`.",
          querystring: ListAuditLogs,
          response: { 200: AuditPage, "4xx": ErrorBody },
        },
      },
      async (request) => {
        // Authentication has read the role from the database.
        const { teamId, role } = memberOf(request);
        return pageOf(events, viewOf(teamId, role), request.query);
      },
    );

    app.get(
      "/v1/audit-logs/export",
      {
        // All events would be read for nothing.
        exposeHeadRoute: false,
        schema: {
          tags,
          summary: "Download what happened in the team, the newest first, one event of JSON to a line",
          description:
            "Has all events that there are when it begins, however many. An answer that breaks off is not whole.",
          querystring: AuditFilters,
          response: { ...EXPORT, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { teamId } = memberOf(request);
        // It may take long: whose session has ended, or who is no longer a member, gets no more of it.
        const view = async () => {
          const identity = await rights.confirm(request);
          if (identity.kind !== "user" || identity.team?.id !== teamId) {
            throw new WarrenError("no_team", "the session no longer acts for the team");
          }
          return viewOf(teamId, identity.team.role);
        };
        return sendExport(reply, "audit-logs.jsonl", { events, view, filters: request.query });
      },
    );
  };
}

/** What a member of a team may see of its events. */
function viewOf(teamId: string, role: TeamRole): AuditView {
  const scopes: AuditScope[] = role === "member" ? ["team"] : ["team", "admin"];
  return { teamId, scopes };
}
