import { randomUUID } from "node:crypto";
import type { HostStatus, HostType } from "@warren/contracts/rest/hosts";
import { type Insertable, type Selectable, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { IN_SERVICE } from "../hosts/host-store.ts";
import type { HostMetadata, HostsTable } from "../hosts/hosts-table.ts";

/** A row of `hosts`. */
export type HostRow = Selectable<HostsTable>;

/** What a host says that it is made of; what is absent stays as it is known. */
export interface HostFacts {
  arch?: string;
  cpu_cores?: number;
  memory_mb?: number;
  disk_gb?: number;
}

/** What a host registers with. */
interface Registered {
  address: string;
  /** Whether the host is online only once it has answered a call. */
  isCalled: boolean;
  facts: HostFacts;
  metadata: HostMetadata;
}

/** The status of a host that has registered, and is to be called. */
const UNTIL_IT_ANSWERS = sql<HostStatus>`case when status = 'pending' then 'pending' else 'unreachable' end`;

/** Rows of hosts, and of the tokens by which they come to be known. `db` may be a transaction everywhere. */
export class RegistryStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async insert(host: Insertable<HostsTable>, db: Db): Promise<HostRow> {
    return db.insertInto("hosts").values(host).returningAll().executeTakeFirstOrThrow();
  }

  async find(id: string, db: Db = this.#db): Promise<HostRow | undefined> {
    return db.selectFrom("hosts").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** Those of many hosts that are there. */
  async findEach(ids: string[]): Promise<HostRow[]> {
    return this.#db.selectFrom("hosts").selectAll().where(sql<boolean>`id = any(${ids}::uuid[])`).execute();
  }

  async findByAddress(address: string, db: Db = this.#db): Promise<HostRow | undefined> {
    return db.selectFrom("hosts").selectAll().where("address", "=", address).executeTakeFirst();
  }

  /** All hosts, or those of one team; the oldest first. */
  async list(teamId?: string): Promise<HostRow[]> {
    return this.#db
      .selectFrom("hosts")
      .selectAll()
      .$if(teamId !== undefined, (query) => query.where("type", "=", "byoc").where("team_id", "=", teamId!))
      .orderBy("created_at")
      .orderBy("id")
      .execute();
  }

  /** How many hosts a team has; nobody else counts them until the transaction ends. */
  async countOfTeam(teamId: string, transaction: Db): Promise<number> {
    await transaction.selectFrom("teams").select("id").where("id", "=", teamId).forNoKeyUpdate().execute();
    const { count } = await transaction
      .selectFrom("hosts")
      .select(sql<number>`count(*)::integer`.as("count"))
      .where("team_id", "=", teamId)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Notes that a token was made, by UUID, with which a host can register, for some seconds; forgets those that nobody used. */
  async insertToken(
    { id, hostId, createdBy }: { id: string; hostId: string; createdBy: string | null },
    seconds: number,
    db: Db,
  ): Promise<void> {
    await db
      .deleteFrom("host_tokens")
      .where("host_id", "=", hostId)
      .where("used_at", "is", null)
      .where("expires_at", "<", sql<Date>`now()`)
      .execute();
    await db
      .insertInto("host_tokens")
      .values({ id, host_id: hostId, created_by: createdBy, expires_at: secondsFromNow(seconds) })
      .execute();
  }

  /** Whom a token is for, and who had it made. */
  async findToken(id: string): Promise<{ type: HostType; created_by: string | null } | undefined> {
    return this.#db
      .selectFrom("host_tokens as token")
      .innerJoin("hosts as host", "host.id", "token.host_id")
      .select(["host.type", "token.created_by"])
      .where("token.id", "=", id)
      .executeTakeFirst();
  }

  /** Uses a token up; the host that it is for, or undefined when it is not valid (any more). */
  async useToken(id: string, transaction: Db): Promise<string | undefined> {
    // The tokens of one host are used one after another: the first ends the others.
    await transaction
      .selectFrom("hosts")
      .select("id")
      .where("id", "=", (of) => of.selectFrom("host_tokens").select("host_id").where("id", "=", id))
      .forNoKeyUpdate()
      .execute();
    const used = await transaction
      .updateTable("host_tokens")
      .set({ used_at: sql<Date>`now()` })
      .where("id", "=", id)
      .where("used_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .returning("host_id")
      .executeTakeFirst();
    return used?.host_id;
  }

  /**
   * Takes up the registration of a host that waits for it, or that has lost its credentials; undefined when it is out of service.
   * It is online from then on; one at an address of a network once it was called there (`isCalled`), which shows that it is there. What was given out before, tokens that are not used among it, is worth nothing from then on.
   */
  async register(
    id: string,
    { address, isCalled, facts, metadata }: Registered,
    transaction: Db,
  ): Promise<HostRow | undefined> {
    const status = isCalled ? UNTIL_IT_ANSWERS : IN_SERVICE;
    const host = await transaction
      .updateTable("hosts")
      .set({ ...facts, address, metadata: JSON.stringify(metadata), status })
      .set({ last_heartbeat_at: sql`now()`, updated_at: sql`now()`, registration: sql`registration + 1` })
      .where("id", "=", id)
      // The monitor finds a host that was lost before it has registered, since it answers.
      .where("status", "in", ["pending", "unreachable", "online"])
      .returningAll()
      .executeTakeFirst();
    if (!host) return undefined;
    await transaction.deleteFrom("host_tokens").where("host_id", "=", id).where("used_at", "is", null).execute();
    await transaction
      .updateTable("host_refresh_tokens")
      .set({ revoked_at: sql<Date>`now()` })
      .where("host_id", "=", id)
      .where(sql<boolean>`(revoked_at is null or revoked_at > now())`)
      .execute();
    return host;
  }

  /** Keeps a refresh token by its hash, for some seconds, and removes those of the host that have expired. */
  async insertRefresh(hostId: string, tokenHash: string, seconds: number, db: Db): Promise<void> {
    await db
      .deleteFrom("host_refresh_tokens")
      .where("host_id", "=", hostId)
      .where("expires_at", "<", sql<Date>`now()`)
      .execute();
    await db
      .insertInto("host_refresh_tokens")
      .values({ id: randomUUID(), host_id: hostId, token_hash: tokenHash, expires_at: secondsFromNow(seconds) })
      .execute();
  }

  /**
   * Uses a refresh token, which from then on works for `graceSec` seconds more; all others of its host end. The host, or
   * undefined when the token is not valid (any more).
   */
  async useRefresh(tokenHash: string, graceSec: number, transaction: Db): Promise<HostRow | undefined> {
    // The tokens of one host change one after another: whoever holds its row may change them.
    const host = await transaction
      .selectFrom("hosts")
      .selectAll()
      .where("id", "=", (of) =>
        of.selectFrom("host_refresh_tokens").select("host_id").where("token_hash", "=", tokenHash),
      )
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (!host) return undefined;
    // What ended while the row was waited for did so after this transaction began, which is what now() says.
    const used = await transaction
      .updateTable("host_refresh_tokens")
      .set({ revoked_at: sql<Date>`coalesce(revoked_at, ${secondsFromNow(graceSec)})` })
      .where("token_hash", "=", tokenHash)
      .where("expires_at", ">", sql<Date>`clock_timestamp()`)
      .where(sql<boolean>`(revoked_at is null or revoked_at > clock_timestamp())`)
      .returning("id")
      .executeTakeFirst();
    if (!used) return undefined;
    await transaction
      .updateTable("host_refresh_tokens")
      .set({ revoked_at: sql<Date>`now()` })
      .where("host_id", "=", host.id)
      .where("id", "<>", used.id)
      .where(sql<boolean>`(revoked_at is null or revoked_at > now())`)
      .execute();
    return host;
  }

  /** Notes what a host says of itself with a sign of life; undefined when that registration is none of a host (any more). */
  async noteHeartbeat(
    { hostId, registration }: { hostId: string; registration: number },
    { facts, metadata }: { facts: HostFacts; metadata: HostMetadata },
  ): Promise<Pick<HostRow, "id" | "address" | "registration" | "status" | "type"> | undefined> {
    return this.#db
      .updateTable("hosts")
      .set({ ...facts, metadata: sql`metadata || ${JSON.stringify(metadata)}::jsonb` as never })
      .set({ last_heartbeat_at: sql`now()` })
      .where("id", "=", hostId)
      .where("registration", "=", registration)
      .returning(["id", "address", "registration", "status", "type"])
      .executeTakeFirst();
  }

  async tags(hostId: string): Promise<string[]> {
    const rows = await this.#db.selectFrom("host_tags").select("tag").where("host_id", "=", hostId).execute();
    return rows.map(({ tag }) => tag).sort();
  }

  /** Adds a tag unless the host has it, or has `most` others; whether it has it now. */
  async addTag(hostId: string, tag: string, most: number): Promise<boolean> {
    const { rows } = await sql`
      insert into host_tags (host_id, tag) select ${hostId}, ${tag}
      where (select count(*) from host_tags where host_id = ${hostId} and tag <> ${tag}) < ${most}
      on conflict (host_id, tag) do update set tag = excluded.tag returning tag
    `.execute(this.#db);
    return rows.length > 0;
  }

  async removeTag(hostId: string, tag: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("host_tags")
      .where("host_id", "=", hostId)
      .where("tag", "=", tag)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }
}

function secondsFromNow(seconds: number) {
  return sql<Date>`now() + make_interval(secs => ${seconds})`;
}
