import { WarrenError } from "@warren/contracts/errors";
import { ErrorBody } from "@warren/contracts/rest/error";
import { CreateTeam, Team, TeamDetails, TeamParams, UpdateTeam } from "@warren/contracts/rest/teams";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { UserCaller } from "../callers/caller.ts";
import { memberOf, userOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { MemberService } from "./member-service.ts";
import type { TeamService } from "./team-service.ts";
import { toMember, toTeam } from "./team-view.ts";

const tags = ["teams"];
const done = { 204: Type.Null(), "4xx": ErrorBody };

/** Routes of teams. Those of one team are for users whose session is in that team. */
export function teamRoutes({ teams, members }: { teams: TeamService; members: MemberService }): Routes {
  return async (app) => {
    app.get(
      "/v1/teams",
      {
        schema: {
          tags,
          summary: "List one's teams, in the order of joining",
          response: { 200: Type.Array(Team), "4xx": ErrorBody },
        },
      },
      async (request) => (await teams.list(userOf(request))).map(toTeam),
    );

    app.post(
      "/v1/teams",
      {
        schema: {
          tags,
          summary: "Make a team that one owns",
          body: CreateTeam,
          response: { 201: Team, "4xx": ErrorBody },
        },
      },
      async (request, reply) => reply.code(201).send(toTeam(await teams.create(userOf(request), request.body.name))),
    );

    app.get(
      "/v1/teams/:id",
      {
        schema: {
          tags,
          summary: "Get a team and its members",
          params: TeamParams,
          response: { 200: TeamDetails, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const caller = memberOfTeam(request, request.params.id);
        const [team, list] = await Promise.all([teams.get(caller), members.list(caller)]);
        return { team: toTeam(team), members: list.map(toMember) };
      },
    );

    app.patch(
      "/v1/teams/:id",
      {
        schema: {
          tags,
          summary: "Rename a team, or say who may make its API keys and whether commands are recorded (owner, admin)",
          params: TeamParams,
          body: UpdateTeam,
          response: done,
        },
      },
      async (request, reply) => {
        await teams.update(memberOfTeam(request, request.params.id), request.body);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      "/v1/teams/:id",
      { schema: { tags, summary: "Delete a team and its sandboxes (owner)", params: TeamParams, response: done } },
      async (request, reply) => {
        await teams.delete(memberOfTeam(request, request.params.id));
        return reply.code(204).send(null);
      },
    );
  };
}

/** The caller of a route of one team; throws `forbidden` unless it is the team of the session. */
export function memberOfTeam(request: FastifyRequest, id: string): UserCaller {
  const caller = memberOf(request);
  if (fromWireId("team", id) !== caller.teamId) {
    throw new WarrenError("forbidden", "your session is in another team; switch to this one first");
  }
  return caller;
}
