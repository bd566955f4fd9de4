import { ErrorBody } from "@warren/contracts/rest/error";
import { Family, FamilyQuery } from "@warren/contracts/rest/family";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { FamilyReads } from "./family-reads.ts";

/** Route of what a team's sandboxes and templates were made of. */
export function familyRoutes(family: FamilyReads): Routes {
  return async (app) => {
    app.get(
      "/v1/family",
      {
        schema: {
          tags: ["sandboxes"],
          summary: "Get what came of what: templates, the sandboxes started from them, copies and templates of those",
          description:
            "A list of nodes that name their parents: all sandboxes and templates that are there, and of those that are gone " +
            "the ones from which they descend.",
          querystring: FamilyQuery,
          response: { 200: Family, "4xx": ErrorBody },
        },
      },
      async (request) => family.get(callerOf(request).teamId, request.query),
    );
  };
}
