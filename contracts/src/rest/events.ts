import { type Static, type TSchema, Type } from "typebox";
import { ApiKey } from "./api-keys.ts";
import { HOST_STATUSES, Host } from "./hosts.ts";
import { SANDBOX_STATUSES, Sandbox, SandboxReason } from "./sandboxes.ts";
import { Member, SharedTeam } from "./teams.ts";
import { Template } from "./templates.ts";

/**
 * What events are about. `quota`: the limits of the team were changed, or reached, which `GET /v1/teams/{id}/quota` and
 * `GET /v1/usage` show. `host`: of the hosts that the team brings itself.
 */
export const EVENT_TYPES = ["sandbox", "template", "api_key", "member", "team", "quota", "host"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Those that API keys may see, as they may look at what the events are about. */
export const API_KEY_EVENT_TYPES = ["sandbox", "template"] as const satisfies EventType[];

export const EVENT_ACTIONS = ["created", "changed", "deleted"] as const;
export type EventAction = (typeof EVENT_ACTIONS)[number];

/** Fields of all events of a type. */
const fieldsOf = <T extends EventType>(type: T) => ({
  type: Type.Literal(type),
  action: Type.Enum([...EVENT_ACTIONS], {
    description: "`deleted`: it is in the list no longer; of a sandbox, that it is stopped or has failed",
  }),
  id: Type.String({ description: "Id of what has changed, or name of the template" }),
  at: Type.String({ format: "date-time" }),
});

const eventOf = <T extends EventType, R extends TSchema>(type: T, resource: R) =>
  Type.Object({ ...fieldsOf(type), resource: Type.Optional(resource) });

/** A change in a team: the data of an event of `GET /v1/events` that is named by its type. */
export const TeamEvent = Type.Union(
  [
    Type.Object({
      ...fieldsOf("sandbox"),
      status: Type.Enum([...SANDBOX_STATUSES], { description: "Status of the sandbox after this change" }),
      reason: Type.Optional({ ...Type.Omit(SandboxReason, ["console"]), description: "Why it is in that status" }),
      resource: Type.Optional(Sandbox),
    }),
    eventOf("template", Template),
    eventOf("api_key", ApiKey),
    eventOf("member", Member),
    eventOf("team", SharedTeam),
    Type.Object(fieldsOf("quota")),
    Type.Object({
      ...fieldsOf("host"),
      status: Type.Enum([...HOST_STATUSES], { description: "Status of the host after this change" }),
      resource: Type.Optional(Host),
    }),
  ],
  {
    title: "TeamEvent",
    description:
      "`resource` is what has changed as the API shows it elsewhere, as new as this change or newer; absent when it is gone",
  },
);
export type TeamEvent = Static<typeof TeamEvent>;

/** First event of each stream. */
export const StreamReady = Type.Object(
  {
    types: Type.Array(Type.Enum([...EVENT_TYPES]), { description: "What the stream tells of" }),
    resumed: Type.Boolean({ description: "Whether it goes on after an id that was given" }),
  },
  { title: "StreamReady" },
);
export type StreamReady = Static<typeof StreamReady>;

/** Events were lost to this client: what it knows is to be read anew. */
export const StreamReset = Type.Object(
  { message: Type.String({ description: "For people" }) },
  { title: "StreamReset" },
);
export type StreamReset = Static<typeof StreamReset>;

/** Ids of events, which tell a server from where a stream goes on; their meaning is the server's alone. */
export const EVENT_ID = /^[0-9a-f]{8}(?:-\d{1,15}(?:\.\d{1,15})?){1,65}$/;
export const EVENT_ID_WORDS = "the id of an event, as the server has sent it";

/** Seconds between two signs of life on a stream. */
export const HEARTBEAT_SEC = 15;

export const EventsQuery = Type.Object(
  {
    types: Type.Optional(
      Type.Array(
        Type.String({
          pattern: `^(?:${EVENT_TYPES.join("|")})(?:,(?:${EVENT_TYPES.join("|")}))*$`,
          "x-words": `one or more of ${EVENT_TYPES.join(", ")}, with commas between them`,
        }),
        { maxItems: EVENT_TYPES.length, description: "What to tell of; default: all that the caller may see" },
      ),
    ),
    after: Type.Optional(
      Type.String({
        pattern: EVENT_ID.source,
        "x-words": EVENT_ID_WORDS,
        description: "Id after which to go on, as the header Last-Event-ID, which goes before it",
      }),
    ),
  },
  { additionalProperties: false },
);
export type EventsQuery = Static<typeof EventsQuery>;

export const EventsHeaders = Type.Object({
  "last-event-id": Type.Optional(
    Type.String({
      pattern: `^$|${EVENT_ID.source}`,
      "x-words": EVENT_ID_WORDS,
      description: "Id of the last event that the client has; browsers send it when they connect again",
    }),
  ),
});
