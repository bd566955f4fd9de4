import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import {
  CreateWebhook,
  ListWebhookDeliveries,
  NewWebhook,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookDeliveryParams,
  WebhookParams,
  WebhookSecret,
} from "@warren/contracts/rest/webhooks";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Routes } from "../http/app-types.ts";
import { fromWireId, toWireId } from "../identifiers/wire-id.ts";
import type { WebhookScope, WebhookService } from "./webhook-service.ts";
import { toDelivery, toNewWebhook, toWebhook } from "./webhook-view.ts";

/** Where routes of webhooks stand, and what their document says. */
interface WebhookPlace {
  prefix: "/v1/webhooks" | "/v1/admin/webhooks";
  tags: string[];
  /** Who may, for people. */
  who: string;
}

export const OF_TEAM: WebhookPlace = {
  prefix: "/v1/webhooks",
  tags: ["webhooks"],
  who: "For the owner and admins of the team.",
};

export const OF_PLATFORM: WebhookPlace = {
  prefix: "/v1/admin/webhooks",
  tags: ["administration"],
  who: "For administrators of the platform, whose webhooks are told of all teams and hosts.",
};

/** Whose webhooks a request is about; throws when its user may not manage them. */
type ScopeOf = (request: FastifyRequest) => WebhookScope | Promise<WebhookScope>;

/** Routes of webhooks, for people only. */
export function webhookRoutes(
  { webhooks }: { webhooks: WebhookService },
  { prefix, tags, who }: WebhookPlace,
  scopeOf: ScopeOf,
): Routes {
  return async (app) => {
    app.post(
      prefix,
      {
        schema: {
          tags,
          summary: "Make a webhook; its secret is shown only in this answer",
          description: who,
          body: CreateWebhook,
          response: { 201: NewWebhook, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const hook = await webhooks.create(await scopeOf(request), request.body);
        return reply.code(201).send(toNewWebhook(hook));
      },
    );

    app.get(
      prefix,
      {
        schema: {
          tags,
          summary: "List webhooks, the oldest first",
          description: who,
          response: { 200: Type.Array(Webhook), "4xx": ErrorBody },
        },
      },
      async (request) => (await webhooks.list(await scopeOf(request))).map(([hook, newest]) => toWebhook(hook, newest)),
    );

    app.get(
      `${prefix}/:id`,
      {
        schema: {
          tags,
          summary: "Look up a webhook",
          params: WebhookParams,
          response: { 200: Webhook, "4xx": ErrorBody },
        },
      },
      async (request) => toWebhook(await webhooks.get(await scopeOf(request), hookIdOf(request.params))),
    );

    app.patch(
      `${prefix}/:id`,
      {
        schema: {
          tags,
          summary: "Change a webhook",
          description: "Waiting deliveries go to the new address. One that is switched on again begins anew.",
          params: WebhookParams,
          body: UpdateWebhook,
          response: { 200: Webhook, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const scope = await scopeOf(request);
        return toWebhook(await webhooks.update(scope, hookIdOf(request.params), request.body));
      },
    );

    app.delete(
      `${prefix}/:id`,
      {
        schema: {
          tags,
          summary: "Delete a webhook with its log",
          params: WebhookParams,
          response: { 204: Type.Null(), "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        await webhooks.delete(await scopeOf(request), hookIdOf(request.params));
        return reply.code(204).send(null);
      },
    );

    app.post(
      `${prefix}/:id/secret`,
      {
        schema: {
          tags,
          summary: "Give a webhook another secret, which is shown only in this answer",
          description: "For a day, messages have a signature of the former one as well.",
          params: WebhookParams,
          response: { 201: WebhookSecret, "4xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const hook = await webhooks.rotate(await scopeOf(request), hookIdOf(request.params));
        const { secret, previous_secret_valid_until } = toNewWebhook(hook);
        return reply.code(201).send({ secret, ...(previous_secret_valid_until && { previous_secret_valid_until }) });
      },
    );

    app.post(
      `${prefix}/:id/test`,
      {
        schema: {
          tags,
          summary: "Send a test message, and wait for what comes of the first attempt",
          params: WebhookParams,
          response: { 200: WebhookDelivery, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) => toDelivery(await webhooks.test(await scopeOf(request), hookIdOf(request.params))),
    );

    app.get(
      `${prefix}/:id/deliveries`,
      {
        schema: {
          tags,
          summary: "List what was sent to a webhook, the newest first",
          params: WebhookParams,
          querystring: ListWebhookDeliveries,
          response: { 200: WebhookDeliveryPage, "4xx": ErrorBody },
        },
      },
      async (request) => {
        const { cursor, status, limit = LIMITS.deliveryPage.default } = request.query;
        const before = cursor === undefined ? {} : { before: fromWireId("dlv", cursor) };
        const filter = { ...before, ...(status && { status }), limit: limit + 1 };
        const rows = await webhooks.deliveries(await scopeOf(request), hookIdOf(request.params), filter);
        const items = rows.slice(0, limit);
        const last = rows.length > limit ? items.at(-1) : undefined;
        return { items: items.map(toDelivery), ...(last && { next_cursor: toWireId("dlv", last.id) }) };
      },
    );

    app.post(
      `${prefix}/:id/deliveries/:delivery_id/redeliver`,
      {
        schema: {
          tags,
          summary: "Send a message again, and wait for what comes of the first attempt",
          description: "With the same id, by which its receiver knows it. More attempts follow as for any other.",
          params: WebhookDeliveryParams,
          response: { 200: WebhookDelivery, "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request) => {
        const scope = await scopeOf(request);
        const { delivery_id } = request.params;
        return toDelivery(await webhooks.redeliver(scope, hookIdOf(request.params), fromWireId("dlv", delivery_id)));
      },
    );
  };
}

function hookIdOf({ id }: { id: string }): string {
  return fromWireId("hook", id);
}
