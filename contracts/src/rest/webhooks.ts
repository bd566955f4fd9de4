import { type Static, Type } from "typebox";
import { wireIdPattern, wireIdWords } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { TeamId, Timestamp, UserId } from "./accounts.ts";
import { EVENT_ACTIONS, EVENT_TYPES, type EventAction, type EventType } from "./events.ts";

/** Events that a webhook can ask for one by one, such as `sandbox.created`. */
export const WEBHOOK_EVENTS = EVENT_TYPES.flatMap((type) =>
  EVENT_ACTIONS.map((action): `${EventType}.${EventAction}` => `${type}.${action}`),
);
/** All events of one kind of thing, such as `sandbox.*`. */
export const WEBHOOK_WILDCARDS = EVENT_TYPES.map((type): `${EventType}.*` => `${type}.*`);
/** What a webhook may ask for; `*` = all events. */
export const WEBHOOK_PATTERNS = ["*", ...WEBHOOK_WILDCARDS, ...WEBHOOK_EVENTS] as const;
export type WebhookPattern = (typeof WEBHOOK_PATTERNS)[number];

/** Type of the message that tries a webhook out. */
export const TEST_EVENT = "test";

/** `standard`: signed JSON as of Standard Webhooks; the others: a line of text as the chat of that name takes it. */
export const WEBHOOK_FORMATS = ["standard", "slack", "discord", "teams", "matrix"] as const;
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

/** Why the server itself has switched a webhook off. */
export const WEBHOOK_DISABLED_REASONS = {
  failing: "no delivery has succeeded for three days",
  queue_full: `${LIMITS.webhookQueue} deliveries were waiting`,
} as const;
export type WebhookDisabledReason = keyof typeof WEBHOOK_DISABLED_REASONS;

/** `pending`: is being tried, or waits for the next attempt; `failed`: was given up. */
export const DELIVERY_STATUSES = ["pending", "delivered", "failed"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

const settings = {
  name: Type.String({
    minLength: 1,
    maxLength: LIMITS.webhookNameCharacters,
    pattern: "^[^\\p{Cc}]*$",
    "x-words": "text without control characters",
  }),
  url: Type.String({
    minLength: 1,
    maxLength: LIMITS.webhookUrlCharacters,
    pattern: "^https?://[^\\s\\p{Cc}]+$",
    "x-words": "an address that begins with https:// or http://",
    description: "Where messages are sent by POST",
  }),
  events: Type.Array(Type.Enum([...WEBHOOK_PATTERNS]), {
    minItems: 1,
    maxItems: WEBHOOK_PATTERNS.length,
    uniqueItems: true,
    description: "What it is told of: `*`, all events of a kind such as `sandbox.*`, or single ones",
  }),
  format: Type.Enum([...WEBHOOK_FORMATS], {
    description:
      "`standard`: signed JSON (Standard Webhooks); `slack`, `discord`, `teams`, `matrix`: a text as incoming webhooks of these take it",
  }),
  enabled: Type.Boolean({
    description: "Whether it is told of what happens from now on, and waiting deliveries go on",
  }),
};

/** Request to make a webhook. */
export const CreateWebhook = Type.Object(
  {
    name: settings.name,
    url: settings.url,
    events: settings.events,
    format: Type.Optional({ ...settings.format, default: "standard" } as typeof settings.format),
    enabled: Type.Optional(Type.Boolean({ default: true })),
  },
  { additionalProperties: false, title: "CreateWebhook" },
);
export type CreateWebhook = Static<typeof CreateWebhook>;

/** Request to change a webhook; what is left out stays. */
export const UpdateWebhook = Type.Partial(Type.Object(settings), {
  additionalProperties: false,
  minProperties: 1,
  title: "UpdateWebhook",
});
export type UpdateWebhook = Static<typeof UpdateWebhook>;

const webhook = {
  id: Type.String({ pattern: wireIdPattern("hook") }),
  team_id: Type.Optional({ ...TeamId, description: "Absent for one of the platform" }),
  ...settings,
  disabled_reason: Type.Optional(
    Type.Enum(Object.keys(WEBHOOK_DISABLED_REASONS) as WebhookDisabledReason[], {
      description: `Why the server has switched it off: ${Object.entries(WEBHOOK_DISABLED_REASONS)
        .map(([reason, words]) => `\`${reason}\`: ${words}`)
        .join("; ")}`,
    }),
  ),
  last_delivery: Type.Optional(
    Type.Object(
      { status: Type.Enum([...DELIVERY_STATUSES]), at: Timestamp },
      { description: "The newest message of its log, and when that was tried last, or noted; in lists alone" },
    ),
  ),
  failing_since: Type.Optional({ ...Timestamp, description: "First failure since the last success" }),
  previous_secret_valid_until: Type.Optional({
    ...Timestamp,
    description: "Until when messages have a signature of the former secret as well",
  }),
  created_by: Type.Optional(UserId),
  created_at: Timestamp,
  updated_at: Timestamp,
};

/** A webhook without its secret. */
export const Webhook = Type.Object(webhook, { title: "Webhook" });
export type Webhook = Static<typeof Webhook>;

const secret = Type.String({
  pattern: "^whsec_[A-Za-z0-9+/]{43}=$",
  description: "What signatures are made with; it is shown only here",
});

/** A webhook that was just made. */
export const NewWebhook = Type.Object({ ...webhook, secret }, { title: "NewWebhook" });
export type NewWebhook = Static<typeof NewWebhook>;

/** A new secret of a webhook. */
export const WebhookSecret = Type.Object(
  { secret, previous_secret_valid_until: webhook.previous_secret_valid_until },
  { title: "WebhookSecret" },
);
export type WebhookSecret = Static<typeof WebhookSecret>;

/** A message to a webhook, and what came of its last attempt. */
export const WebhookDelivery = Type.Object(
  {
    id: Type.String({
      pattern: wireIdPattern("dlv"),
      description: "As the header `webhook-id` of each attempt has it",
    }),
    event: Type.String({ description: "Type of the message, such as `sandbox.created`, or `test`" }),
    status: Type.Enum([...DELIVERY_STATUSES]),
    attempts: Type.Integer({ minimum: 0 }),
    created_at: Timestamp,
    next_attempt_at: Type.Optional({ ...Timestamp, description: "While it is pending" }),
    last_attempt_at: Type.Optional(Timestamp),
    duration_ms: Type.Optional(Type.Integer({ minimum: 0, description: "How long the last attempt took" })),
    response_status: Type.Optional(Type.Integer({ description: "HTTP status of the last answer" })),
    response: Type.Optional(
      Type.String({ description: `How the last answer begins, ${LIMITS.webhookAnswerCharacters} characters at most` }),
    ),
    error: Type.Optional(Type.String({ description: "Why the last attempt had no answer, for people" })),
  },
  { title: "WebhookDelivery" },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;

/** Deliveries, the newest first. */
export const WebhookDeliveryPage = Type.Object(
  {
    items: Type.Array(WebhookDelivery),
    next_cursor: Type.Optional(
      Type.String({ description: "What to give as `cursor` for the next page; absent when this is the last one" }),
    ),
  },
  { title: "WebhookDeliveryPage" },
);
export type WebhookDeliveryPage = Static<typeof WebhookDeliveryPage>;

export const ListWebhookDeliveries = Type.Object(
  {
    status: Type.Optional(Type.Enum([...DELIVERY_STATUSES])),
    limit: Type.Optional(
      Type.Integer({
        minimum: LIMITS.deliveryPage.min,
        maximum: LIMITS.deliveryPage.max,
        default: LIMITS.deliveryPage.default,
        description: "Deliveries of one page",
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: wireIdPattern("dlv"),
        "x-words": "the next_cursor of a page",
        description: "`next_cursor` of the page before",
      }),
    ),
  },
  { additionalProperties: false },
);
export type ListWebhookDeliveries = Static<typeof ListWebhookDeliveries>;

const id = Type.String({ pattern: wireIdPattern("hook"), "x-words": wireIdWords("hook") });
export const WebhookParams = Type.Object({ id });
export const WebhookDeliveryParams = Type.Object({
  id,
  delivery_id: Type.String({ pattern: wireIdPattern("dlv"), "x-words": wireIdWords("dlv") }),
});
