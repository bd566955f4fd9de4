import { ErrorBody } from "@warren/contracts/rest/error";
import {
  CreateHost,
  DeleteHostQuery,
  Host,
  HostDeletePreview,
  HostDetails,
  HostInUse as HostInUseBody,
  HostParams,
  HostTag,
  HostTagParams,
  HostToken,
  NewHost,
} from "@warren/contracts/rest/hosts";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import type { HostDuty } from "./host-duty.ts";
import type { HostKeeper } from "./host-keeper.ts";
import { HostInUse, type HostRemoval, type LostWithHost } from "./host-removal.ts";
import type { HostService } from "./host-service.ts";
import { toHost, toHostDetails } from "./host-view.ts";

const tags = ["hosts"];

/** What the routes need. */
export interface HostRouteParts {
  hosts: HostService;
  removal: HostRemoval;
  duty: HostDuty;
  /** Who makes a request. */
  keeperOf: (request: FastifyRequest) => HostKeeper;
}

/** What may be wanted of a host, and what that means. */
const DUTIES = {
  drain: [
    "Have a host take no new sandboxes",
    "Neither new sandboxes nor copies of those on it are placed there. What is on it goes on, and may be paused and resumed. " +
      "It stays so when it was lost and comes back.",
  ],
  offline: [
    "Take a host out of service",
    "Refused with `has_active_sandboxes` while it has sandboxes that are not paused; those that are cannot be resumed meanwhile.",
  ],
  online: ["Have a host take sandboxes again", "It is `unreachable` until it answers when it has not done so lately."],
} as const;

/** Routes under `/v1/hosts` of people: of users with a session, and of the operator on a socket that is nobody else's. */
export function hostRoutes({ hosts, removal, duty, keeperOf }: HostRouteParts): Routes {
  return async (app) => {
    app.post(
      "/v1/hosts",
      {
        schema: {
          tags,
          summary: "Make a host known, and a token with which its agent registers",
          description:
            'For administrators of the platform, and users with its right "hosts". The token is shown only here.',
          body: CreateHost,
          response: { 201: NewHost, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { host, token } = await hosts.create(keeperOf(request), request.body);
        return reply.code(201).send({ host: toHost(host), registration_token: token });
      },
    );

    app.get(
      "/v1/hosts",
      {
        schema: {
          tags,
          summary: "List hosts, the oldest first",
          description:
            'All of them for whoever has the right "hosts" on the platform, else those of the session\'s team.',
          response: { 200: Type.Array(Host), "4xx": ErrorBody },
        },
      },
      async (request) => (await hosts.list(keeperOf(request))).map(toHost),
    );

    app.get(
      "/v1/hosts/:id",
      {
        schema: {
          tags,
          summary: "A host, and the templates whose files it has",
          params: HostParams,
          response: { 200: HostDetails, "4xx": ErrorBody },
        },
      },
      async (request) => toHostDetails(await hosts.get(keeperOf(request), hostIdOf(request.params))),
    );

    app.get(
      "/v1/hosts/:id/delete-preview",
      {
        schema: {
          tags,
          summary: "What would be lost with a host",
          params: HostParams,
          response: { 200: HostDeletePreview, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const { host, lost } = await removal.preview(keeperOf(request), hostIdOf(request.params));
        return { host: toHost(host), ...toLost(lost) };
      },
    );

    app.delete(
      "/v1/hosts/:id",
      {
        schema: {
          tags,
          summary: "Delete a host",
          description:
            "Refused with `has_active_sandboxes` while something would be lost with it, unless `force` says that it may. " +
            "Its credentials are worth nothing from then on.",
          params: HostParams,
          querystring: DeleteHostQuery,
          response: { 204: Type.Null(), 409: HostInUseBody, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        try {
          await removal.remove(keeperOf(request), hostIdOf(request.params), request.query.force ?? false);
        } catch (error) {
          if (!(error instanceof HostInUse)) throw error;
          const { code, message, lost } = error;
          return reply.code(409).send({ error: { code, message, ...toLost(lost) } });
        }
        return reply.code(204).send(null);
      },
    );

    for (const wanted of ["drain", "offline", "online"] as const) {
      const [summary, description] = DUTIES[wanted];
      app.post(
        `/v1/hosts/:id/${wanted}`,
        { schema: { tags, summary, description, params: HostParams, response: { 200: Host, "4xx": ErrorBody } } },
        async (request) => toHost(await duty.set(keeperOf(request), hostIdOf(request.params), wanted)),
      );
    }

    app.post(
      "/v1/hosts/:id/token",
      {
        schema: {
          tags,
          summary: "Make a new registration token for a host",
          description:
            "For one that has not registered, or that is unreachable, such as when its credentials are lost; once it has " +
            "registered with it, all that it was given before is worth nothing.",
          params: HostParams,
          response: { 201: HostToken, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const token = await hosts.newToken(keeperOf(request), hostIdOf(request.params));
        return reply.code(201).send({ registration_token: token });
      },
    );

    app.get(
      "/v1/hosts/:id/tags",
      {
        schema: {
          tags,
          summary: "The tags of a host",
          params: HostParams,
          response: { 200: Type.Array(Type.String()), "4xx": ErrorBody },
        },
      },
      async (request) => hosts.tags(keeperOf(request), hostIdOf(request.params)),
    );

    app.post(
      "/v1/hosts/:id/tags",
      {
        schema: {
          tags,
          summary: "Give a host a tag",
          params: HostParams,
          body: HostTag,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await hosts.addTag(keeperOf(request), hostIdOf(request.params), request.body.tag);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      "/v1/hosts/:id/tags/:tag",
      {
        schema: {
          tags,
          summary: "Take a tag from a host",
          params: HostTagParams,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await hosts.removeTag(keeperOf(request), hostIdOf(request.params), request.params.tag);
        return reply.code(204).send(null);
      },
    );
  };
}

function hostIdOf({ id }: { id: string }): string {
  return fromWireId("host", id);
}

function toLost({ sandboxIds, templates }: LostWithHost) {
  return { sandbox_ids: sandboxIds, templates };
}
