import { type Static, Type } from "typebox";
import { wireIdPattern } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { Timestamp } from "./accounts.ts";

/** Who sees events: all members of a team, or its owner and admins alone. */
export const AUDIT_SCOPES = ["team", "admin"] as const;
export type AuditScope = (typeof AUDIT_SCOPES)[number];

/** How much attention an event is worth. */
export const AUDIT_STATUSES = ["success", "info", "warning", "error"] as const;
export type AuditStatus = (typeof AUDIT_STATUSES)[number];

/** Who acts: a user, a program with an API key, or the server and its operator. */
export const AUDIT_ACTOR_TYPES = ["user", "api_key", "system"] as const;
export type AuditActorType = (typeof AUDIT_ACTOR_TYPES)[number];

/** `actor_name` of the operator of the server, whose type is `system`; the server itself has no name. */
export const OPERATOR_NAME = "operator";

/** All events, by what they are about and what happened to it: who sees them, and what they say. */
export const AUDIT_EVENTS = {
  sandbox: {
    create: { scope: "team", says: "a sandbox was created, or did not start (status `error`)" },
    pause: { scope: "team", says: "a sandbox was paused, by somebody or by itself (actor `system`)" },
    resume: { scope: "team", says: "a paused sandbox was resumed" },
    rollback: { scope: "team", says: "a sandbox was returned to its last pause" },
    fork: { scope: "team", says: "a sandbox was made as the copy of another" },
    update: { scope: "team", says: "settings of a sandbox were changed" },
    destroy: { scope: "team", says: "a sandbox was destroyed, by somebody or by itself" },
    stop: { scope: "team", says: "a sandbox ended though nobody asked for it" },
    missing: { scope: "team", says: "the host of a sandbox does not answer" },
    exec: { scope: "team", says: "a command was started in a sandbox, unless the team leaves that out" },
    join_process: { scope: "team", says: "somebody joined a command of a sandbox, unless the team leaves that out" },
    signal_process: { scope: "team", says: "a command of a sandbox was sent a signal" },
    end_process: { scope: "team", says: "a command of a sandbox was told to end" },
    write_file: { scope: "team", says: "a file, or a directory as an archive, was written into a sandbox" },
    make_directory: { scope: "team", says: "a directory was made in a sandbox" },
    move_file: { scope: "team", says: "a file or a directory of a sandbox has another place or name" },
    remove_file: { scope: "team", says: "a file or a directory of a sandbox was removed" },
    found: { scope: "team", says: "the host of a missing sandbox answers again" },
  },
  snapshot: {
    create: { scope: "team", says: "a template was made of a sandbox" },
    delete: { scope: "team", says: "a template was deleted" },
  },
  team: {
    create: { scope: "team", says: "the team was made" },
    rename: { scope: "team", says: "the team has another name" },
    update: { scope: "team", says: "settings of the team were changed" },
    transfer: { scope: "team", says: "another member became the owner" },
    set_byoc: { scope: "admin", says: "it was decided whether the team brings its own hosts" },
    delete: { scope: "team", says: "the team was deleted" },
  },
  member: {
    add: { scope: "admin", says: "a user was added to the team" },
    role_update: { scope: "admin", says: "a member has another role" },
    remove: { scope: "admin", says: "a member was removed" },
    leave: { scope: "admin", says: "a member left the team" },
  },
  api_key: {
    create: { scope: "team", says: "an API key was made" },
    revoke: { scope: "team", says: "an API key was revoked" },
  },
  quota: {
    update: { scope: "admin", says: "limits of the team were set" },
    refuse: { scope: "team", says: "something was refused since it exceeds the team's quota" },
    limit_usage: { scope: "admin", says: "what the team may use in a month was set" },
    warn: { scope: "team", says: "the team has used as much in a month as it is warned of" },
    reach_limit: { scope: "team", says: "the team has used all that it may in a month: its sandboxes are paused" },
  },
  user: {
    sign_up: { scope: "admin", says: "somebody made an account" },
    log_in: { scope: "admin", says: "a user signed in" },
    log_in_failed: { scope: "admin", says: "somebody tried to sign in with a wrong password" },
    log_out: { scope: "admin", says: "a user ended a session" },
    log_out_everywhere: { scope: "admin", says: "a user ended all sessions" },
    password_change: { scope: "admin", says: "a user has set another password" },
    password_reset: { scope: "admin", says: "a user has another password, by the operator or by a mail" },
    verify_email: { scope: "admin", says: "a user has shown to read the mails to the address of the account" },
    provider_link: { scope: "admin", says: "a user can sign in through a provider" },
    provider_unlink: { scope: "admin", says: "a user can no longer sign in through a provider" },
    delete: { scope: "admin", says: "a user has deleted the account" },
    deactivate: { scope: "admin", says: "an administrator has shut a user out" },
    activate: { scope: "admin", says: "a user who was shut out may sign in again" },
    grant: { scope: "admin", says: "a user may administer the platform, or a part of it" },
    revoke: { scope: "admin", says: "a user may no longer administer the platform, or a part of it" },
  },
  host: {
    create: { scope: "admin", says: "a host was made known" },
    issue_token: { scope: "admin", says: "a token was made with which a host can register" },
    register: { scope: "admin", says: "a host took up its registration" },
    delete: { scope: "admin", says: "a host was deleted" },
    drain: { scope: "admin", says: "a host is to take no new sandboxes" },
    set_offline: { scope: "admin", says: "a host was taken out of service" },
    set_online: { scope: "admin", says: "a host is to take sandboxes again" },
    marked_up: { scope: "team", says: "a host answers" },
    marked_down: { scope: "team", says: "a host does not answer" },
  },
  webhook: {
    create: { scope: "admin", says: "a webhook was made" },
    update: { scope: "admin", says: "settings of a webhook were changed" },
    delete: { scope: "admin", says: "a webhook was deleted" },
    rotate_secret: { scope: "admin", says: "a webhook has another secret" },
    test: { scope: "admin", says: "a webhook was sent a test message" },
    redeliver: { scope: "admin", says: "a message was sent to a webhook again" },
    give_up: { scope: "admin", says: "a message to a webhook was given up, the first since it fails" },
    disable: {
      scope: "admin",
      says: "a webhook was switched off, since it has failed for long or too much waited for it",
    },
  },
  signing_key: {
    rotate: { scope: "admin", says: "session tokens are signed with another key" },
  },
} as const satisfies Record<string, Record<string, { scope: AuditScope; says: string }>>;

/** What events are about. */
export type AuditResource = keyof typeof AUDIT_EVENTS;
/** What can happen to one kind of resource. */
export type AuditActionOf<Resource extends AuditResource> = keyof (typeof AUDIT_EVENTS)[Resource] & string;
/** What can happen. */
export type AuditAction = { [Resource in AuditResource]: AuditActionOf<Resource> }[AuditResource];

export const AUDIT_RESOURCES = Object.keys(AUDIT_EVENTS) as AuditResource[];
export const AUDIT_ACTIONS = [
  ...new Set(Object.values(AUDIT_EVENTS).flatMap((actions) => Object.keys(actions))),
] as AuditAction[];

/** An event of the audit log. */
export const AuditLog = Type.Object(
  {
    id: Type.String({ pattern: wireIdPattern("log"), description: "Event id" }),
    actor_type: Type.Enum([...AUDIT_ACTOR_TYPES]),
    actor_id: Type.Optional(Type.String({ description: "Id of the user or API key; absent for `system`" })),
    actor_name: Type.Optional(
      Type.String({
        description: `Name of the user or API key at that time; of \`system\`, \`${OPERATOR_NAME}\` for the operator of the server, and absent for the server itself`,
      }),
    ),
    resource_type: Type.Enum(AUDIT_RESOURCES),
    resource_id: Type.Optional(Type.String({ description: "Id, or name, of what it happened to" })),
    action: Type.Enum(AUDIT_ACTIONS, {
      description: Object.entries(AUDIT_EVENTS)
        .flatMap(([resource, actions]) =>
          Object.entries(actions).map(([action, { says }]) => `\`${resource}\` \`${action}\`: ${says}`),
        )
        .join("; "),
    }),
    scope: Type.Enum([...AUDIT_SCOPES], { description: "`admin`: only the owner and admins see it" }),
    status: Type.Enum([...AUDIT_STATUSES]),
    metadata: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: "object",
        additionalProperties: true,
        description: "What else there is to know, by name",
      }),
    ),
    created_at: Timestamp,
  },
  { title: "AuditLog" },
);
export type AuditLog = Static<typeof AuditLog>;

/** Entries of a filter that is given more than once. */
const FILTER_ENTRIES = 50;

/** A filter that may have several values, with commas between them or by being given several times; any of them fits. */
const several = (value: string, words: string, description: string) =>
  Type.Optional(
    Type.Array(
      Type.String({
        pattern: `^ *(?:${value}) *(?:, *(?:${value}) *)*$`,
        "x-words": `${words}, with commas between them`,
      }),
      { maxItems: FILTER_ENTRIES, description: `${description}; several with commas between them, or given again` },
    ),
  );

const ACTOR = [wireIdPattern("usr"), wireIdPattern("key"), "system"]
  .map((text) => text.replace(/^\^|\$$/g, ""))
  .join("|");

const filters = {
  resource_type: several(
    AUDIT_RESOURCES.join("|"),
    `one or more of ${AUDIT_RESOURCES.join(", ")}`,
    "Events about such resources",
  ),
  action: several(AUDIT_ACTIONS.join("|"), `one or more of ${AUDIT_ACTIONS.join(", ")}`, "Events of such a kind"),
  actor: several(
    ACTOR,
    'ids of users or API keys, or "system"',
    `Events of these users, API keys, or \`system\`, ${LIMITS.auditActors} at most`,
  ),
  resource_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LIMITS.auditResourceIdCharacters,
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
      "x-words": "an id, or the name of a template",
      description: "Events about the resource with this id, such as a sandbox",
    }),
  ),
  from: Type.Optional(Type.String({ format: "date-time", description: "Events of this time and later" })),
  to: Type.Optional(Type.String({ format: "date-time", description: "Events before this time" })),
};

/** Which events are wanted: those for which all of these hold. */
export const AuditFilters = Type.Object(filters, { additionalProperties: false });
export type AuditFilters = Static<typeof AuditFilters>;

/** Media type of events as lines of JSON. */
export const AUDIT_LINES = "application/x-ndjson";

/** Which events are wanted, and which page of them. */
export const ListAuditLogs = Type.Object(
  {
    ...filters,
    limit: Type.Optional(
      Type.Integer({
        minimum: LIMITS.auditPage.min,
        maximum: LIMITS.auditPage.max,
        default: LIMITS.auditPage.default,
        description: "Events of one page",
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9_-]{32}$",
        "x-words": "the next_cursor of a page",
        description: "`next_cursor` of the page before",
      }),
    ),
  },
  { additionalProperties: false },
);
export type ListAuditLogs = Static<typeof ListAuditLogs>;

/** Events, the newest first. */
export const AuditPage = Type.Object(
  {
    items: Type.Array(AuditLog),
    next_cursor: Type.Optional(
      Type.String({ description: "What to give as `cursor` for the next page; absent when this is the last one" }),
    ),
  },
  { title: "AuditPage" },
);
export type AuditPage = Static<typeof AuditPage>;
