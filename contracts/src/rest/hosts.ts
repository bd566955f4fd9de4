import { type Static, Type } from "typebox";
import { TEMPLATE_NAME, TEMPLATE_NAME_WORDS, wireIdPattern, wireIdWords } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { TeamId, Timestamp, UserId } from "./accounts.ts";
import { ErrorBody } from "./error.ts";
import { HostTagName } from "./sandbox-spec.ts";

/** `regular`: shared by all teams; `byoc`: brought by one team for itself. */
export const HOST_TYPES = ["regular", "byoc"] as const;
export type HostType = (typeof HOST_TYPES)[number];

/**
 * `pending`: waits for its registration; `online`: takes sandboxes; `unreachable`: has given no sign of life for 90 seconds;
 * `offline`: its operator has taken it out of service, or it is being deleted; `draining`: takes no new sandboxes.
 */
export const HOST_STATUSES = ["pending", "online", "unreachable", "offline", "draining"] as const;
export type HostStatus = (typeof HOST_STATUSES)[number];

/** Header with which a host shows its token. */
export const HOST_TOKEN_HEADER = "x-host-token";

export const HostId = Type.String({
  pattern: wireIdPattern("host"),
  "x-words": wireIdWords("host"),
  description: "Host id",
});

const UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

const count = (description: string) => Type.Integer({ minimum: 0, maximum: 2_147_483_647, description });
const words = (maxLength: number, description: string) =>
  Type.String({ maxLength, pattern: "^[^\\p{Cc}]*$", "x-words": "text without control characters", description });

/** What a machine has. */
const machine = {
  arch: words(32, "Processor architecture, such as amd64"),
  cpu_cores: count("Processors"),
  memory_mb: count("MiB of memory"),
  disk_gb: count("GiB that were free on the disk of its sandboxes"),
};

/** How much of a host is taken at this moment. */
export const HostLoad = Type.Object(
  {
    running: count("Sandboxes with a microVM"),
    paused: count("Sandboxes that are paused on it"),
    sandboxes_limit: count("Sandboxes that may have a microVM at the same time"),
    memory_mb_taken: count("MiB of guest memory that are promised"),
    memory_mb_limit: count("MiB of guest memory that may be promised"),
    disk_mb_left: count("MiB of disk that sandboxes may still take"),
    cpu_load: Type.Number({ minimum: 0, maximum: 1_000_000, description: "Load average of the last minute" }),
  },
  { title: "HostLoad" },
);
export type HostLoad = Static<typeof HostLoad>;

/** A template whose files a host has. */
export const HeldTemplate = Type.Object(
  {
    team_id: Type.Optional(
      Type.String({ pattern: UUID, "x-words": "a UUID", description: "UUID of its team; absent = built in" }),
    ),
    name: Type.String({ pattern: TEMPLATE_NAME.source, "x-words": TEMPLATE_NAME_WORDS }),
    snapshot_id: Type.Optional(
      Type.String({
        pattern: "^[0-9a-f]{32}$",
        "x-words": "32 hexadecimal digits",
        description: "Which of the templates that have had the name; absent where it is built in",
      }),
    ),
  },
  { title: "HeldTemplate" },
);
export type HeldTemplate = Static<typeof HeldTemplate>;

/** What a host says of itself. Fields that are not known are left alone: a host agent may be newer than its control plane. */
const report = {
  ...machine,
  version: words(64, "Version of the host agent"),
  vmm: words(64, "Virtual machine monitor of its microVMs, and its version"),
  accelerator: words(32, "What runs its microVMs: kvm or tcg"),
  emulation_reason: words(400, "Why it emulates their processors in software, where it does, and has no KVM for them"),
  load: HostLoad,
  templates: Type.Array(HeldTemplate, { maxItems: LIMITS.heldTemplates }),
};

/** One of a key that nobody has any more. */
const CSR_EXAMPLE = [
  "-----BEGIN CERTIFICATE REQUEST-----",
  "MIG4MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKq02/ho0MO7HoBl",
  "eha1OXfITUCvnipLaD8EiBbglNa7o2Ym+kXdaZKKZd0jnBT9j3OuAokIwi25ms74",
  "3PyirXagADAKBggqhkjOPQQDAgNGADBDAiBGmNb9lt8USTUVc7DFQsnvIZBp4TBm",
  "Fn1ih/YIHAJyCwIfZRpi05OWn0Yoqf3titxv7wxO1ZxWOMkepaDE0AlDiQ==",
  "-----END CERTIFICATE REQUEST-----",
].join("\n");

const csr = Type.String({
  pattern: "^-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\\r\\n]+-----END CERTIFICATE REQUEST-----\\s*$",
  "x-words": "a certificate request, as PEM",
  maxLength: 4096,
  contentMediaType: "application/pkcs10",
  examples: [CSR_EXAMPLE],
  description:
    "Certificate request (PKCS #10, PEM) for a new ECDSA key on P-256, of which nothing but the key counts; a must for an https address",
});

/** Request of a host to take up its registration. */
export const RegisterHost = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: 128, description: "The registration token; it works once" }),
    address: Type.String({
      pattern:
        "^(?:unix:(?:/(?!\\.{1,2}/|\\.{1,2}$)[^/\\p{Cc}]+)+|https://(?:[a-z0-9.-]{1,64}|\\[[0-9a-f:.]{2,45}\\]):[1-9][0-9]{0,4})$",
      "x-words": "https://HOST:PORT, or unix:PATH with the absolute path of a socket of the control plane's machine",
      "x-max-bytes": 112,
      description:
        "Where the control plane reaches the host agent: https://HOST:PORT, or unix:PATH on its own machine. Of a host that a " +
        "team's own admins have made known HOST is an IP address, public or in one of the platform's networks for such hosts",
    }),
    csr_pem: Type.Optional(csr),
    ...Type.Partial(Type.Object(report)).properties,
  },
  { title: "RegisterHost" },
);
export type RegisterHost = Static<typeof RegisterHost>;

/** What a host says with each sign of life. */
export const Heartbeat = Type.Partial(Type.Object(report), { title: "Heartbeat" });
export type Heartbeat = Static<typeof Heartbeat>;

/** Answer to a sign of life that was taken, of a host that the control plane cannot call. */
export const HeartbeatAnswer = Type.Object(
  {
    unreached: Type.String({
      description:
        "Why the host did not answer at its address. It takes no sandboxes until it does; it is called again and again",
    }),
  },
  { title: "HeartbeatAnswer" },
);
export type HeartbeatAnswer = Static<typeof HeartbeatAnswer>;

/** Request of a host for new credentials. */
export const RefreshHost = Type.Object(
  { refresh_token: Type.String(), csr_pem: Type.Optional(csr) },
  { title: "RefreshHost" },
);
export type RefreshHost = Static<typeof RefreshHost>;

/** Request to make a host known, which then registers with the token of the answer. */
export const CreateHost = Type.Object(
  {
    type: Type.Enum([...HOST_TYPES], { description: "`regular`: shared by all teams; `byoc`: of one team alone" }),
    team_id: Type.Optional(TeamId),
    provider: Type.Optional(words(64, "Where the machine comes from, in your own words")),
    availability_zone: Type.Optional(words(64, "Where the machine stands, in your own words")),
  },
  { additionalProperties: false, title: "CreateHost" },
);
export type CreateHost = Static<typeof CreateHost>;

const host = {
  id: HostId,
  type: Type.Enum([...HOST_TYPES]),
  team_id: Type.Optional(TeamId),
  provider: Type.Optional(Type.String()),
  availability_zone: Type.Optional(Type.String()),
  arch: Type.Optional(Type.String()),
  cpu_cores: Type.Optional(Type.Integer()),
  memory_mb: Type.Optional(Type.Integer()),
  disk_gb: Type.Optional(Type.Integer()),
  address: Type.Optional(Type.String({ description: "Absent until the host has registered" })),
  status: Type.Enum([...HOST_STATUSES]),
  last_heartbeat_at: Type.Optional(Timestamp),
  version: Type.Optional(Type.String({ description: "Version of the host agent" })),
  vmm: Type.Optional(Type.String({ description: "Virtual machine monitor of its microVMs, and its version" })),
  accelerator: Type.Optional(Type.String()),
  emulation_reason: Type.Optional(
    Type.String({ description: "Why its microVMs are emulated in software, which is slow" }),
  ),
  load: Type.Optional(HostLoad),
  created_by: Type.Optional(UserId),
  created_at: Timestamp,
  updated_at: Timestamp,
};

/** A machine that runs sandboxes. */
export const Host = Type.Object(host, { title: "Host" });
export type Host = Static<typeof Host>;

/** A machine that runs sandboxes, and the templates whose files it has. */
export const HostDetails = Type.Object(
  {
    ...host,
    templates: Type.Array(
      Type.Object({
        team_id: Type.Optional(TeamId),
        name: Type.String(),
      }),
      { description: "As of its last heartbeat; without a team those that are built in" },
    ),
  },
  { title: "HostDetails" },
);
export type HostDetails = Static<typeof HostDetails>;

const registrationToken = Type.String({
  pattern: "^[0-9a-f]{64}$",
  description: "Shown only here; works once and for an hour",
});

/** A host that was just made, which registers with the token. */
export const NewHost = Type.Object({ host: Host, registration_token: registrationToken }, { title: "NewHost" });
export type NewHost = Static<typeof NewHost>;

/** A new registration token. */
export const HostToken = Type.Object({ registration_token: registrationToken }, { title: "HostToken" });
export type HostToken = Static<typeof HostToken>;

/** Credentials of a host: the token lasts 7 days, the refresh token 60. */
export const HostCredentials = Type.Object(
  {
    host: Host,
    token: Type.String({ description: "For the header X-Host-Token" }),
    refresh_token: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    cert_pem: Type.Optional(
      Type.String({
        description: "For the key of `csr_pem`; it names the host and lasts 7 days. Absent unless it was asked for",
      }),
    ),
    ca_cert_pem: Type.Optional(
      Type.String({ description: "Of who has signed it, and signs those of control planes. Comes with `cert_pem`" }),
    ),
  },
  { title: "HostCredentials" },
);
export type HostCredentials = Static<typeof HostCredentials>;

const lost = {
  sandbox_ids: Type.Array(Type.String(), { description: "Sandboxes on it that are not over" }),
  templates: Type.Array(Type.String(), { description: "Names of templates whose files only this host has" }),
};

/** What goes with a host that is deleted. */
export const HostDeletePreview = Type.Object({ host: Host, ...lost }, { title: "HostDeletePreview" });
export type HostDeletePreview = Static<typeof HostDeletePreview>;

/** Why a host is not deleted. */
export const HostInUse = Type.Object(
  { error: Type.Object({ ...ErrorBody.properties.error.properties, ...lost }) },
  { title: "HostInUse" },
);
export type HostInUse = Static<typeof HostInUse>;

export const HostParams = Type.Object({ id: HostId });

export const DeleteHostQuery = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({ default: false, description: "Destroy the sandboxes on it, and give up its templates" }),
    ),
  },
  { additionalProperties: false },
);

export const HostTag = Type.Object({ tag: HostTagName }, { additionalProperties: false, title: "HostTag" });
export type HostTag = Static<typeof HostTag>;
export const HostTagParams = Type.Object({ id: HostId, tag: HostTagName });
