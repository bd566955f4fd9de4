import type { WireIdPrefix } from "@warren/contracts/identifiers";
import type { PlatformPermission } from "@warren/contracts/rest/admin";
import type { HostStatus } from "@warren/contracts/rest/hosts";
import type { SandboxReason, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { type RawBuilder, sql } from "kysely";
import { LIVE } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import type { HostMetadata } from "../hosts/hosts-table.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { fromCursor, toCursor } from "./list-place.ts";

/** Which part of a list is asked for; all of it without `limit`. */
export interface ListPart {
  /** Text to be found, in capitals or not. */
  search?: string;
  limit?: number;
  /** Cursor of the page before. */
  cursor?: string;
}

/** Which sandboxes are asked for. UUIDs. */
export interface SandboxesPart extends ListPart {
  status?: SandboxStatus;
  teamId?: string;
  hostId?: string;
}

/** One page, the newest first. */
export interface ListPage<Row> {
  rows: Row[];
  /** Absent on the last page. */
  nextCursor?: string;
}

interface ListRow {
  id: string;
  created_at: Date;
  /** `created_at` in microseconds since 1970. */
  micros: number;
}

/** A user as administrators see them. */
export interface PlatformUserRow extends ListRow {
  email: string;
  email_verified: boolean;
  name: string;
  is_admin: boolean;
  has_password: boolean;
  permissions: PlatformPermission[];
  teams: number;
  last_used_at: Date | null;
  deactivated_at: Date | null;
}

/** A team as administrators see it. */
export interface PlatformTeamRow extends ListRow {
  name: string;
  slug: string;
  is_byoc: boolean;
  deleted_at: Date | null;
  owner_email: string | null;
  members: number;
  sandboxes: number;
}

/** A host as administrators see it. */
export interface PlatformHostRow extends ListRow {
  type: "regular" | "byoc";
  team_id: string | null;
  provider: string;
  address: string;
  status: HostStatus;
  arch: string;
  cpu_cores: number;
  memory_mb: number;
  disk_gb: number;
  metadata: HostMetadata;
  last_heartbeat_at: Date | null;
  sandboxes: number;
  vcpus_in_use: number;
  memory_mb_in_use: number;
}

/** A sandbox as administrators see it. */
export interface PlatformSandboxRow extends ListRow {
  name: string | null;
  team_id: string;
  team_name: string;
  team_slug: string;
  host_id: string | null;
  status: SandboxStatus;
  reason: SandboxReason | null;
  template: string;
  vcpus: number;
  memory_mb: number;
  disk_bytes: number;
  last_active_at: Date | null;
}

/** What can be listed, and how its rows are read: `entry` is the row that has an id and a time. */
interface Listing {
  /** Of its wire ids; absent = those are what the database has. */
  prefix?: WireIdPrefix;
  columns: RawBuilder<unknown>;
  from: RawBuilder<unknown>;
  idType: RawBuilder<unknown>;
}

const MICROS = sql`(extract(epoch from entry.created_at) * 1000000)::bigint`;

const USERS: Listing = {
  prefix: "usr",
  columns: sql`
    entry.email, entry.email_verified_at is not null as email_verified, entry.name, entry.is_admin,
    entry.password_hash is not null as has_password, entry.deactivated_at,
    array(select permission from admin_permissions where user_id = entry.id order by permission) as permissions,
    (select count(*) from users_teams as membership join teams as team on team.id = membership.team_id
      where membership.user_id = entry.id and team.deleted_at is null) as teams,
    (select max(last_used_at) from user_sessions where user_id = entry.id) as last_used_at`,
  from: sql`users as entry`,
  idType: sql`uuid`,
};

const TEAMS: Listing = {
  prefix: "team",
  columns: sql`
    entry.name, entry.slug, entry.is_byoc, entry.deleted_at, owner.email as owner_email,
    (select count(*) from users_teams where team_id = entry.id) as members,
    (select count(*) from sandboxes where team_id = entry.id and ${LIVE}) as sandboxes`,
  from: sql`
    teams as entry
    left join users_teams as membership on membership.team_id = entry.id and membership.role = 'owner'
    left join users as owner on owner.id = membership.user_id`,
  idType: sql`uuid`,
};

const HOSTS: Listing = {
  prefix: "host",
  columns: sql`
    entry.type, entry.team_id, entry.provider, entry.address, entry.status, entry.arch, entry.cpu_cores,
    entry.memory_mb, entry.disk_gb, entry.metadata, entry.last_heartbeat_at, used.*`,
  from: sql`
    hosts as entry
    cross join lateral (
      select count(*) as sandboxes,
        coalesce(sum(vcpus) filter (where status <> 'paused'), 0)::bigint as vcpus_in_use,
        coalesce(sum(memory_mb) filter (where status <> 'paused'), 0)::bigint as memory_mb_in_use
      from sandboxes where host_id = entry.id and ${LIVE}
    ) as used`,
  idType: sql`uuid`,
};

const SANDBOXES: Listing = {
  columns: sql`
    entry.name, entry.team_id, team.name as team_name, team.slug as team_slug, entry.host_id, entry.status,
    entry.reason, entry.spec ->> 'template' as template, entry.vcpus, entry.memory_mb, entry.disk_bytes,
    entry.last_active_at`,
  from: sql`sandboxes as entry join teams as team on team.id = entry.team_id`,
  idType: sql`text`,
};

/** Lists of what is on the whole platform, for its administrators. */
export class PlatformLists {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  users(part: ListPart = {}): Promise<ListPage<PlatformUserRow>> {
    return this.#list(USERS, part, [sql`entry.email`, sql`entry.name`]);
  }

  /** Deleted ones too. */
  teams(part: ListPart = {}): Promise<ListPage<PlatformTeamRow>> {
    return this.#list(TEAMS, part, [sql`entry.name`, sql`entry.slug`, sql`owner.email`]);
  }

  hosts(part: ListPart): Promise<ListPage<PlatformHostRow>> {
    return this.#list(HOSTS, part, [sql`entry.address`, sql`entry.provider`]);
  }

  sandboxes({ status, teamId, hostId, ...part }: SandboxesPart): Promise<ListPage<PlatformSandboxRow>> {
    const conditions = [status === undefined ? LIVE : sql`entry.status = ${status}`];
    if (teamId !== undefined) conditions.push(sql`entry.team_id = ${teamId}`);
    if (hostId !== undefined) conditions.push(sql`entry.host_id = ${hostId}`);
    const searched = [sql`entry.id`, sql`entry.name`, sql`team.name`, sql`team.slug`];
    return this.#list(SANDBOXES, part, searched, conditions);
  }

  async user(id: string): Promise<PlatformUserRow | undefined> {
    const [row] = await this.#read<PlatformUserRow>(USERS, [sql`entry.id = ${id}`]);
    return row;
  }

  async #list<Row extends ListRow>(
    listing: Listing,
    { search, limit, cursor }: ListPart,
    searched: RawBuilder<unknown>[],
    conditions: RawBuilder<unknown>[] = [],
  ): Promise<ListPage<Row>> {
    const all = [...conditions];
    if (search !== undefined) all.push(matches(search, searched, listing.prefix));
    if (cursor !== undefined) {
      const { micros, id } = fromCursor(cursor);
      const at = sql`timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond'`;
      all.push(sql`(entry.created_at, entry.id) < (${at}, ${id}::${listing.idType})`);
    }
    // One more than is shown tells whether there is another page.
    const rows = await this.#read<Row>(listing, all, limit === undefined ? undefined : limit + 1);
    if (limit === undefined || rows.length <= limit) return { rows };
    const shown = rows.slice(0, limit);
    return { rows: shown, nextCursor: toCursor(shown.at(-1)!) };
  }

  async #read<Row>({ columns, from }: Listing, conditions: RawBuilder<unknown>[], limit?: number): Promise<Row[]> {
    const where = conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`;
    const { rows } = await sql<Row>`
      select entry.id, entry.created_at, ${MICROS} as micros, ${columns} from ${from} ${where}
      order by entry.created_at desc, entry.id desc limit ${limit ?? null}
    `.execute(this.#db);
    return rows;
  }
}

/** A condition that one of the texts has another one in it, in capitals or not, or that it is the wire id of the row. */
function matches(search: string, texts: RawBuilder<unknown>[], prefix?: WireIdPrefix): RawBuilder<unknown> {
  const found = texts.map((text) => sql`position(lower(${search}) in lower(${text})) > 0`);
  const id = prefix && uuidOf(prefix, search);
  if (id !== undefined) found.push(sql`entry.id = ${id}`);
  return sql`(${sql.join(found, sql` or `)})`;
}

function uuidOf(prefix: WireIdPrefix, text: string): string | undefined {
  try {
    return fromWireId(prefix, text.trim());
  } catch {
    return undefined;
  }
}
