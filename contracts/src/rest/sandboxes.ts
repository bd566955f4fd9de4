import { type Static, Type } from "typebox";
import {
  SANDBOX_ID,
  SANDBOX_ID_WORDS,
  SANDBOX_NAME,
  SANDBOX_NAME_WORDS,
  TEMPLATE_NAME,
  TEMPLATE_NAME_WORDS,
} from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { Environment } from "./environment.ts";
import { changedSettings, requestedSpec, SandboxSpec } from "./sandbox-spec.ts";

/** States of a sandbox. `missing`: its host does not answer; `stopped` and `error` are final. */
export const SANDBOX_STATUSES = [
  "pending",
  "starting",
  "running",
  "pausing",
  "paused",
  "resuming",
  "stopping",
  "missing",
  "stopped",
  "error",
] as const;
export type SandboxStatus = (typeof SANDBOX_STATUSES)[number];

/** Why a sandbox is in its status, or not well: what each code says, for people. */
export const SANDBOX_REASONS = {
  requested: "somebody asked for it; the message says who",
  inactivity: "nothing has used the sandbox for `timeout_sec` seconds",
  guest_powered_off: "the system in the sandbox powered itself off",
  guest_rebooted: "the system in the sandbox rebooted; a microVM ends with that",
  guest_panicked:
    "the kernel in the sandbox panicked. One that was told to stay then leaves the sandbox `running` until it is rolled back to its last pause or destroyed",
  guest_hung:
    "the system in the sandbox has hung: its kernel makes no progress. It stays `running` until it is rolled back to its last pause or destroyed",
  guest_unresponsive:
    "the agent in the sandbox, its process 1, has not answered for minutes, though the system does something or rests: it is stopped, cut off or gets no turn. The sandbox stays `running`, and says so until it answers a call or is rolled back",
  out_of_memory:
    "the memory of the sandbox ran out and its kernel killed a process; the sandbox is `running`, and says so until it is paused or rolled back",
  microvm_lost: "the microVM ended from outside: its process was killed or failed, or went with its host",
  host_disk_full: "the host's disk is full and the sandbox went on writing; it goes on by itself when there is space",
  host_disk_failed: "the host could not read or write the sandbox's disk; a resume tries again",
  ended_by_operator: "the operator of the server ended all sandboxes (`warren down`)",
  host_lost: "the host of the sandbox has not answered for 90 seconds; it is back when its host is",
  control_plane_lost:
    "the host of the sandbox had lost its control plane and paused it; nothing of it is lost, and a resume goes on where it stood",
  start_failed: "the sandbox could not be started; the message says why",
  lease_expired: "the client that made the sandbox did not renew its lease in time",
  usage_limit:
    "the team has used all that it may in this month; it is resumed as any other once the next month begins or an administrator of the platform raises the limit",
} as const;
export type SandboxReasonCode = keyof typeof SANDBOX_REASONS;

/** Key of an entry of the metadata of a sandbox, as part of a pattern. */
const METADATA_KEY = "[A-Za-z0-9][A-Za-z0-9._/-]{0,62}";
const METADATA_KEY_WORDS = "1 to 63 letters a to z, digits and any of . _ / -, beginning with a letter or digit";

/** Text that a database can keep: without NUL and halves of surrogate pairs. */
const METADATA_VALUE = "[^\\u0000\\ud800-\\udfff]*";
const METADATA_VALUE_WORDS = "text without NUL characters";

/** What the owner of a sandbox notes about it. */
const Metadata = Type.Unsafe<Record<string, string>>({
  type: "object",
  description: "Texts by key that the caller keeps with the sandbox, and may list by",
  propertyNames: { pattern: `^${METADATA_KEY}$`, "x-words": METADATA_KEY_WORDS },
  additionalProperties: {
    type: "string",
    pattern: `^${METADATA_VALUE}$`,
    "x-words": METADATA_VALUE_WORDS,
    "x-max-bytes": LIMITS.metadata.valueBytes,
  },
  maxProperties: LIMITS.metadata.entries,
});

const SandboxName = (description: string) =>
  Type.String({ pattern: SANDBOX_NAME.source, "x-words": SANDBOX_NAME_WORDS, description });

const LeaseSec = (description: string) =>
  Type.Integer({ minimum: LIMITS.leaseSec.min, maximum: LIMITS.leaseSec.max, description });

/** Request to create a sandbox. */
export const CreateSandbox = Type.Object(
  {
    ...requestedSpec,
    name: Type.Optional(SandboxName("Name, of which the team's live sandboxes have each another")),
    metadata: Type.Optional(Metadata),
    lease_sec: Type.Optional(
      LeaseSec(
        "Seconds after which the sandbox ends, from when it runs, unless its lease is renewed; default: no lease",
      ),
    ),
    env: Type.Optional(Environment),
  },
  { additionalProperties: false, title: "CreateSandbox" },
);
export type CreateSandbox = Static<typeof CreateSandbox>;

/** Request to change a sandbox. What is left out stays as it is. */
export const UpdateSandbox = Type.Object(
  {
    name: Type.Optional(Type.Union([SandboxName("New name"), Type.Null({ description: "No name" })])),
    metadata: Type.Optional(Metadata),
    ...changedSettings,
    lease_sec: Type.Optional(
      Type.Union([LeaseSec("Renews the lease for so many seconds from now"), Type.Null({ description: "No lease" })]),
    ),
  },
  { additionalProperties: false, title: "UpdateSandbox" },
);
export type UpdateSandbox = Static<typeof UpdateSandbox>;

const STATUS = `(?:${SANDBOX_STATUSES.join("|")})`;

/** Which sandboxes a list shows: those that all of these hold for. */
const filters = {
  status: Type.Optional(
    Type.Array(
      Type.String({
        pattern: `^${STATUS}(?:,${STATUS})*$`,
        "x-words": `one or more of ${SANDBOX_STATUSES.join(", ")}, with commas between them`,
      }),
      {
        maxItems: SANDBOX_STATUSES.length,
        description:
          "Sandboxes in one of these states, those that are over included; several with commas between them, or given " +
          "several times",
      },
    ),
  ),
  template: Type.Optional(
    Type.String({
      pattern: TEMPLATE_NAME.source,
      "x-words": TEMPLATE_NAME_WORDS,
      description: "Sandboxes that were started from the template of this name",
    }),
  ),
  q: Type.Optional(
    Type.String({
      maxLength: LIMITS.sandboxSearchCharacters,
      pattern: `^${METADATA_VALUE}$`,
      "x-words": METADATA_VALUE_WORDS,
      description: "Sandboxes that have this text somewhere in their id or name, in capitals or not",
    }),
  ),
  name: Type.Optional(SandboxName("The sandbox of this name")),
  metadata: Type.Optional(
    Type.Array(
      Type.String({
        pattern: `^${METADATA_KEY}=${METADATA_VALUE}$`,
        "x-words": `KEY=VALUE: the key is ${METADATA_KEY_WORDS}, the value ${METADATA_VALUE_WORDS}`,
      }),
      {
        maxItems: LIMITS.metadata.entries,
        description: "Sandboxes whose metadata has this entry, as KEY=VALUE; may be given several times",
      },
    ),
  ),
  ended: Type.Optional(
    Type.Boolean({
      description: "Those that are stopped or failed, in place of the others",
    }),
  ),
};
const SandboxFilters = Type.Object(filters);
export type SandboxFilters = Static<typeof SandboxFilters>;

/** Which sandboxes a list shows, and which page of it; all of it without `limit` and `cursor`. */
export const ListSandboxesQuery = Type.Object(
  {
    ...filters,
    limit: Type.Optional(
      Type.Integer({
        minimum: LIMITS.sandboxPage.min,
        maximum: LIMITS.sandboxPage.max,
        description: `Sandboxes of one page; with \`cursor\` ${LIMITS.sandboxPage.default} unless it is given`,
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        // All that matches is a place in the order of sandboxes.
        pattern: "^[01][0-9a-z]{10}sb[a-z2-7]{20}$",
        "x-words": "the next_cursor of a page",
        description: "`next_cursor` of the page before",
      }),
    ),
  },
  { additionalProperties: false },
);

const Timestamp = Type.String({ format: "date-time" });

/** Why a sandbox is in its status. */
export const SandboxReason = Type.Object(
  {
    code: Type.Enum(Object.keys(SANDBOX_REASONS) as SandboxReasonCode[], {
      description: Object.entries(SANDBOX_REASONS)
        .map(([code, meaning]) => `\`${code}\`: ${meaning}`)
        .join("; "),
    }),
    message: Type.String({ description: "For people" }),
    user_id: Type.Optional(Type.String({ description: "Id of the person who asked for it, where one did" })),
    console: Type.Optional(
      Type.String({ description: "The last lines that its kernel printed, when it panicked; written by the guest" }),
    ),
    at: Timestamp,
  },
  {
    description:
      "Why the sandbox is in its status, or not well: whatever is paused, stopped, missing or failed has one, and of those " +
      "that run the ones that are not well",
  },
);
export type SandboxReason = Static<typeof SandboxReason>;

/** A sandbox as clients see it. */
export const Sandbox = Type.Object(
  {
    id: Type.String({ pattern: SANDBOX_ID.source }),
    name: Type.Optional(Type.String()),
    metadata: Type.Unsafe<Record<string, string>>({ type: "object", additionalProperties: { type: "string" } }),
    forked_from: Type.Optional(
      Type.String({ description: "Id of the sandbox of which it is a copy; that one may be over" }),
    ),
    status: Type.Enum([...SANDBOX_STATUSES]),
    ...SandboxSpec.properties,
    disk_bytes: Type.Integer({
      description: "Bytes on disk that the sandbox took when it was paused last, beyond those of its template",
    }),
    host_ip: Type.Optional(Type.String({ description: "Address at which root reaches the sandbox from its host" })),
    error: Type.Optional(Type.String({ description: "Why the status is `error`" })),
    reason: Type.Optional(SandboxReason),
    lease_expires_at: Type.Optional(Timestamp),
    created_at: Timestamp,
    started_at: Type.Optional(Timestamp),
    last_active_at: Type.Optional(Timestamp),
    last_updated: Timestamp,
  },
  { title: "Sandbox" },
);
export type Sandbox = Static<typeof Sandbox>;

/** Sandboxes, the newest first. */
export const SandboxPage = Type.Object(
  {
    items: Type.Array(Sandbox),
    next_cursor: Type.Optional(
      Type.String({ description: "What to give as `cursor` for the next page; absent when this is the last one" }),
    ),
  },
  { title: "SandboxPage" },
);
export type SandboxPage = Static<typeof SandboxPage>;

/** Path parameters of the routes of one sandbox. */
export const SandboxParams = Type.Object({
  id: Type.String({ pattern: SANDBOX_ID.source, "x-words": SANDBOX_ID_WORDS, description: "Sandbox id" }),
});
