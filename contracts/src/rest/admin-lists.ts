import { type Static, type TSchema, Type } from "typebox";
import { SANDBOX_ID } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { TeamId, Timestamp } from "./accounts.ts";
import { AdminTeam, AdminUser } from "./admin.ts";
import { HOST_STATUSES, HOST_TYPES, HostId } from "./hosts.ts";
import { SANDBOX_STATUSES, SandboxReason } from "./sandboxes.ts";

/** Place in a list: microseconds since 1970 in base 36, and an id. */
const PLACE = "[01][0-9a-z]{10}";

const page = (id: string, searched: string) => ({
  search: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LIMITS.adminSearchCharacters,
      pattern: "^[^\\p{Cc}]*$",
      "x-words": "text without control characters",
      description: `What has this text in its ${searched}, in capitals or not`,
    }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.adminPage.max, default: LIMITS.adminPage.default })),
  cursor: Type.Optional(
    Type.String({
      pattern: `^${PLACE}${id}$`,
      "x-words": "the next_cursor of a page",
      description: "`next_cursor` of the page before",
    }),
  ),
});

const pageOf = <Item extends TSchema>(item: Item, title: string) =>
  Type.Object(
    {
      items: Type.Array(item, { description: "The newest first" }),
      next_cursor: Type.Optional(
        Type.String({ description: "What to give as `cursor` for the next page; absent when this is the last one" }),
      ),
    },
    { title },
  );

const UUID_DIGITS = "[0-9a-f]{32}";

export const AdminUsersQuery = Type.Object(page(UUID_DIGITS, "address or name, or whose id it is"), {
  additionalProperties: false,
});
export type AdminUsersQuery = Static<typeof AdminUsersQuery>;
export const AdminUserPage = pageOf(AdminUser, "AdminUserPage");
export type AdminUserPage = Static<typeof AdminUserPage>;

export const AdminTeamsQuery = Type.Object(
  page(UUID_DIGITS, "name, slug or the address of its owner, or whose id it is"),
  { additionalProperties: false },
);
export type AdminTeamsQuery = Static<typeof AdminTeamsQuery>;
export const AdminTeamPage = pageOf(AdminTeam, "AdminTeamPage");
export type AdminTeamPage = Static<typeof AdminTeamPage>;

/** A host as administrators of the platform see it, and what is on it. */
export const AdminHost = Type.Object(
  {
    id: HostId,
    type: Type.Enum([...HOST_TYPES], { description: "Shared by all teams, or brought by one for itself" }),
    team_id: Type.Optional(TeamId),
    provider: Type.String(),
    address: Type.String({ description: "Empty until the host has registered" }),
    status: Type.Enum([...HOST_STATUSES]),
    arch: Type.String(),
    cpu_cores: Type.Integer(),
    memory_mb: Type.Integer(),
    disk_gb: Type.Integer(),
    accelerator: Type.Optional(Type.String({ description: "What runs its microVMs: kvm or tcg, which is emulation" })),
    emulation_reason: Type.Optional(
      Type.String({ description: "Why its microVMs are emulated in software, which is slow" }),
    ),
    last_heartbeat_at: Type.Optional(Timestamp),
    created_at: Timestamp,
    sandboxes: Type.Integer({ description: "Sandboxes on it that are not ended" }),
    vcpus_in_use: Type.Integer({ description: "vCPUs of those that are not paused" }),
    memory_mb_in_use: Type.Integer({ description: "MiB of memory of those that are not paused" }),
  },
  { title: "AdminHost" },
);
export type AdminHost = Static<typeof AdminHost>;

export const AdminHostsQuery = Type.Object(page(UUID_DIGITS, "address or provider, or whose id it is"), {
  additionalProperties: false,
});
export type AdminHostsQuery = Static<typeof AdminHostsQuery>;
export const AdminHostPage = pageOf(AdminHost, "AdminHostPage");
export type AdminHostPage = Static<typeof AdminHostPage>;

/** A sandbox as administrators of the platform see it: what it takes and where, and nothing of what is in it. */
export const AdminSandbox = Type.Object(
  {
    id: Type.String({ pattern: SANDBOX_ID.source }),
    name: Type.Optional(Type.String()),
    team_id: TeamId,
    team_name: Type.String(),
    team_slug: Type.String(),
    host_id: Type.Optional(HostId),
    status: Type.Enum([...SANDBOX_STATUSES]),
    reason: Type.Optional(Type.Omit(SandboxReason, ["console"])),
    template: Type.String(),
    vcpus: Type.Integer(),
    memory_mb: Type.Integer(),
    disk_bytes: Type.Integer(),
    created_at: Timestamp,
    last_active_at: Type.Optional(Timestamp),
  },
  { title: "AdminSandbox" },
);
export type AdminSandbox = Static<typeof AdminSandbox>;

export const AdminSandboxesQuery = Type.Object(
  {
    ...page("sb[a-z2-7]{20}", "id or name, or in the name or slug of its team"),
    status: Type.Optional(
      Type.Enum([...SANDBOX_STATUSES], { description: "Those in this state; absent = all that are not ended" }),
    ),
    team_id: Type.Optional(TeamId),
    host_id: Type.Optional(HostId),
  },
  { additionalProperties: false },
);
export type AdminSandboxesQuery = Static<typeof AdminSandboxesQuery>;
export const AdminSandboxPage = pageOf(AdminSandbox, "AdminSandboxPage");
export type AdminSandboxPage = Static<typeof AdminSandboxPage>;
