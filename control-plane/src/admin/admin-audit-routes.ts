import { AuditFilters, AuditPage, ListAuditLogs } from "@warren/contracts/rest/audit";
import { ErrorBody } from "@warren/contracts/rest/error";
import { ALL_RIGHTS } from "../audit/account-events.ts";
import { EXPORT, pageOf, sendExport } from "../audit/audit-answers.ts";
import { PLATFORM } from "../audit/audit-event.ts";
import type { AuditQuery, AuditView } from "../audit/audit-query.ts";
import type { Rights } from "../audit/audit-routes.ts";
import { userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { AdminService } from "./admin-service.ts";
import { requireRight } from "./require-right.ts";

const tags = ["administration"];

const VIEW: AuditView = { teamId: PLATFORM, scopes: ["team", "admin"] };

/** Routes of the audit log of the platform, for its administrators only. */
export function adminAuditRoutes(parts: { admins: AdminService; events: AuditQuery; rights: Rights }): Routes {
  const { admins, events, rights } = parts;
  return async (app) => {
    app.get(
      "/v1/admin/audit-logs",
      {
        preValidation: requireRight(admins, ALL_RIGHTS),
        schema: {
          tags,
          summary: "List what happened on the platform, the newest first",
          description:
            "What is about no team, or about a team but done or to be seen by administrators: accounts that were made, refused log-ins, rights, hosts, limits of teams.",
          querystring: ListAuditLogs,
          response: { 200: AuditPage, "4xx": ErrorBody },
        },
      },
      async (request) => pageOf(events, VIEW, request.query),
    );

    app.get(
      "/v1/admin/audit-logs/export",
      {
        exposeHeadRoute: false,
        preValidation: requireRight(admins, ALL_RIGHTS),
        schema: {
          tags,
          summary: "Download what happened on the platform, the newest first, one event of JSON to a line",
          description:
            "Has all events that there are when it begins, however many. An answer that breaks off is not whole.",
          querystring: AuditFilters,
          response: { ...EXPORT, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { userId } = userOf(request);
        // It may take long: whose session has ended, or who administers no longer, gets no more of it.
        const view = async () => {
          await rights.confirm(request);
          await admins.require(userId, ALL_RIGHTS);
          return VIEW;
        };
        return sendExport(reply, "platform-audit-logs.jsonl", { events, view, filters: request.query });
      },
    );
  };
}
