import { ErrorBody } from "@warren/contracts/rest/error";
import {
  AddMember,
  Member,
  MemberParams,
  RemoveMember,
  SetRole,
  TeamParams,
  TransferOwnership,
} from "@warren/contracts/rest/teams";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { MemberService } from "./member-service.ts";
import { memberOfTeam } from "./team-routes.ts";
import { toMember } from "./team-view.ts";

const tags = ["teams"];
const done = { 204: Type.Null(), "4xx": ErrorBody };

/** Routes of the members of a team, for users whose session is in that team. */
export function memberRoutes(members: MemberService): Routes {
  return async (app) => {
    app.get(
      "/v1/teams/:id/members",
      {
        schema: {
          tags,
          summary: "List the members of a team, in the order of joining",
          params: TeamParams,
          response: { 200: Type.Array(Member), "4xx": ErrorBody },
        },
      },
      async (request) => (await members.list(memberOfTeam(request, request.params.id))).map(toMember),
    );

    app.post(
      "/v1/teams/:id/members",
      {
        schema: {
          tags,
          summary: "Add a user to a team (owner, admin)",
          params: TeamParams,
          body: AddMember,
          response: { 201: Member, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const caller = memberOfTeam(request, request.params.id);
        return reply.code(201).send(toMember(await members.add(caller, request.body.email)));
      },
    );

    app.patch(
      "/v1/teams/:id/members/:user_id",
      {
        schema: {
          tags,
          summary: "Change a member's role (owner, admin)",
          params: MemberParams,
          body: SetRole,
          response: done,
        },
      },
      async (request, reply) => {
        const caller = memberOfTeam(request, request.params.id);
        await members.setRole(caller, fromWireId("usr", request.params.user_id), request.body.role);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      "/v1/teams/:id/members/:user_id",
      {
        schema: {
          tags,
          summary: "Remove a member (owner, admin)",
          description: "API keys that the member made stay, since programs use them, unless they are revoked as well.",
          params: MemberParams,
          querystring: RemoveMember,
          response: done,
        },
      },
      async (request, reply) => {
        const caller = memberOfTeam(request, request.params.id);
        const options = { revokeApiKeys: request.query.revoke_api_keys ?? false };
        await members.remove(caller, fromWireId("usr", request.params.user_id), options);
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/teams/:id/leave",
      { schema: { tags, summary: "Leave a team (not the owner)", params: TeamParams, response: done } },
      async (request, reply) => {
        await members.leave(memberOfTeam(request, request.params.id));
        return reply.code(204).send(null);
      },
    );

    app.post(
      "/v1/teams/:id/transfer",
      {
        schema: {
          tags,
          summary: "Make another member the owner (owner)",
          description: "The owner so far becomes an admin.",
          params: TeamParams,
          body: TransferOwnership,
          response: done,
        },
      },
      async (request, reply) => {
        const caller = memberOfTeam(request, request.params.id);
        await members.transferOwnership(caller, fromWireId("usr", request.body.user_id));
        return reply.code(204).send(null);
      },
    );
  };
}
