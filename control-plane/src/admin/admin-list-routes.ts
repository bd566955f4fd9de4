import type { PlatformPermission } from "@warren/contracts/rest/admin";
import {
  AdminHostPage,
  AdminHostsQuery,
  AdminSandboxesQuery,
  AdminSandboxPage,
  AdminTeamPage,
  AdminTeamsQuery,
  AdminUserPage,
  AdminUsersQuery,
} from "@warren/contracts/rest/admin-lists";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { AdminService } from "./admin-service.ts";
import type { PlatformLists } from "./platform-lists.ts";
import { toAdminHost, toAdminSandbox, toAdminTeam, toAdminUser, toPage } from "./platform-view.ts";
import { requireRight } from "./require-right.ts";

const tags = ["administration"];

/** Lists under `/v1/admin`, in pages, the newest first. */
export function adminListRoutes({ admins, lists }: { admins: AdminService; lists: PlatformLists }): Routes {
  const list = (right: PlatformPermission) => ({ preValidation: requireRight(admins, right) });
  return async (app) => {
    app.get(
      "/v1/admin/users",
      {
        ...list("users"),
        schema: {
          tags,
          summary: "List all users",
          querystring: AdminUsersQuery,
          response: { 200: AdminUserPage, "4xx": ErrorBody },
        },
      },
      async ({ query }) => toPage(await lists.users(query), toAdminUser),
    );

    app.get(
      "/v1/admin/teams",
      {
        ...list("teams"),
        schema: {
          tags,
          summary: "List all teams, deleted ones included",
          querystring: AdminTeamsQuery,
          response: { 200: AdminTeamPage, "4xx": ErrorBody },
        },
      },
      async ({ query }) => toPage(await lists.teams(query), toAdminTeam),
    );

    app.get(
      "/v1/admin/hosts",
      {
        ...list("hosts"),
        schema: {
          tags,
          summary: "List all hosts, and what is in use on them",
          querystring: AdminHostsQuery,
          response: { 200: AdminHostPage, "4xx": ErrorBody },
        },
      },
      async ({ query }) => toPage(await lists.hosts(query), toAdminHost),
    );

    app.get(
      "/v1/admin/sandboxes",
      {
        ...list("sandboxes"),
        schema: {
          tags,
          summary: "List the sandboxes of all teams, and nothing of what is in them",
          querystring: AdminSandboxesQuery,
          response: { 200: AdminSandboxPage, "4xx": ErrorBody },
        },
      },
      async ({ query: { team_id, host_id, ...part } }) => {
        const filters = {
          ...part,
          ...(team_id === undefined ? {} : { teamId: fromWireId("team", team_id) }),
          ...(host_id === undefined ? {} : { hostId: fromWireId("host", host_id) }),
        };
        return toPage(await lists.sandboxes(filters), toAdminSandbox);
      },
    );
  };
}
