import { LIMITS } from "@warren/contracts/limits";
import { AuditPage, type AuditScope, ListAuditLogs } from "@warren/contracts/rest/audit";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { UserCaller } from "../callers/caller.ts";
import { memberOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromCursor, toCursor } from "./audit-cursor.ts";
import type { AuditQuery, AuditView } from "./audit-query.ts";

const tags = ["audit"];

/** Routes of the audit log of the session's team, for users only. */
export function auditRoutes(events: AuditQuery): Routes {
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
        const { limit = LIMITS.auditPage.default, cursor, ...filters } = request.query;
        const after = cursor === undefined ? undefined : fromCursor(cursor);
        const { items, next } = await events.page(viewOf(memberOf(request)), filters, { limit, after });
        return { items, ...(next && { next_cursor: toCursor(next) }) };
      },
    );
  };
}

/** What a member of a team may see of its events; authentication has read the role from the database. */
function viewOf({ teamId, role }: UserCaller): AuditView {
  const scopes: AuditScope[] = role === "member" ? ["team"] : ["team", "admin"];
  return { teamId, scopes };
}
