import type { HostStatus } from "@warren/contracts/rest/hosts";
import type { SandboxSettings } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxReason, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { type Insertable, type RawBuilder, type Selectable, sql, type Updateable } from "kysely";
import { type Actor, SYSTEM } from "../callers/caller.ts";
import { FINAL, LIVE } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { transact, whenCommitted } from "../database/transact.ts";
import type { HostAddress } from "../hosts/host-client-pool.ts";
import { askedBy, failure, reasonNow } from "./reasons.ts";
import type { SandboxChanges } from "./sandbox-changes.ts";
import type { SandboxHistory } from "./sandbox-history.ts";
import { specOf } from "./sandbox-spec.ts";
import type { SandboxesTable, SandboxOperation } from "./sandboxes-table.ts";

/** A row of `sandboxes`. */
export type SandboxRow = Selectable<SandboxesTable>;

/** A row as it was read: what a change of status expects. */
export type ExpectedRow = Pick<SandboxRow, "id" | "team_id" | "status" | "version" | "operation">;

/** What is compared with the report of a host. */
export type RowOnHost = ExpectedRow &
  Pick<SandboxRow, "spec" | "reason" | "disk_bytes"> & {
    /** Seconds since its last change. */
    ageSec: number;
  };

/** What changes of the spec; the rest of it stays. */
interface ChangedSettings {
  settings?: Partial<SandboxSettings>;
}

/** What begins with a change of status. */
interface BegunOperation {
  operation?: SandboxOperation;
}

/** Fields that may change with the status. */
export type StatusFields = Pick<
  Updateable<SandboxesTable>,
  "host_id" | "host_ip" | "started_at" | "last_active_at" | "error" | "reason" | "disk_bytes"
> &
  ChangedSettings &
  BegunOperation;

/** Fields that change while the status stays. */
export type SettingsFields = Pick<Updateable<SandboxesTable>, "name" | "metadata" | "lease_sec"> & ChangedSettings;

/** Where a sandbox is, as calls to it need it. */
export interface SandboxLocation {
  teamId: string;
  status: SandboxStatus;
  /** Why it has this status, when its user did not ask for it. */
  reason: SandboxReason | null;
  /** A call resumes it when it is paused. */
  autoResume: boolean;
  /** Null while no host has been chosen, or after the host was deleted. */
  host: (HostAddress & { status: HostStatus }) | null;
}

/** When a lease that begins, or is renewed, runs out; null without one. */
const LEASE_END = sql<Date | null>`now() + lease_sec * interval '1 second'`;

/** States in which an operation is under way, or was when the host was lost. */
const UNDER_WAY: SandboxStatus[] = ["pending", "starting", "pausing", "resuming", "missing"];

/** Rows of sandboxes. Every change of status is a compare-and-set on the status and version that were read. */
export class SandboxStore {
  readonly #db: Db;
  readonly #changes: SandboxChanges;
  readonly #history: SandboxHistory;

  /** Whatever changes a sandbox is told to `history` in its transaction, and published in `changes` once it is committed. */
  constructor(db: Db, changes: SandboxChanges, history: SandboxHistory) {
    this.#db = db;
    this.#changes = changes;
    this.#history = history;
  }

  /** Stores a new sandbox. `db` may be a transaction. */
  async insert(row: Insertable<SandboxesTable>, db: Db = this.#db): Promise<SandboxRow> {
    const inserted = await db.insertInto("sandboxes").values(row).returningAll().executeTakeFirstOrThrow();
    this.#publish([inserted], db);
    return inserted;
  }

  async find(teamId: string, id: string): Promise<SandboxRow | undefined> {
    return this.#db
      .selectFrom("sandboxes")
      .selectAll()
      .where("id", "=", id)
      .where("team_id", "=", teamId)
      .executeTakeFirst();
  }

  async locate(id: string): Promise<SandboxLocation | undefined> {
    const row = await this.#db
      .selectFrom("sandboxes as sandbox")
      .leftJoin("hosts as host", "host.id", "sandbox.host_id")
      .select(["sandbox.team_id", "sandbox.status", "sandbox.reason", "sandbox.spec"])
      .select(["host.id as host_id", "host.address", "host.registration", "host.status as host_status"])
      .where("sandbox.id", "=", id)
      .executeTakeFirst();
    if (!row) return undefined;
    const { host_id: hostId, address, registration, host_status: hostStatus } = row;
    const host =
      hostId === null || address === null || registration === null || hostStatus === null
        ? null
        : { id: hostId, address, registration, status: hostStatus };
    const { team_id: teamId, status, reason } = row;
    return { teamId, status, reason, autoResume: specOf(row).auto_resume, host };
  }

  /**
   * Changes the status, unless the row is no longer as it was read; then nothing changes and the result is undefined.
   * A sandbox that comes to run has its whole lease before it. `db` may be a transaction.
   */
  async change(
    expected: ExpectedRow,
    status: SandboxStatus,
    fields: StatusFields = {},
    db: Db = this.#db,
  ): Promise<SandboxRow | undefined> {
    const tell = this.#history.telling(expected, status);
    if (!tell) return this.#change(expected, status, fields, db);
    return within(db, async (transaction) => {
      const changed = await this.#change(expected, status, fields, transaction);
      if (changed) await tell(changed, transaction);
      return changed;
    });
  }

  /** Takes a sandbox out of use for good, on behalf of somebody; undefined when it is no longer as it was read. */
  async claim(expected: ExpectedRow, by: Actor): Promise<SandboxRow | undefined> {
    return within(this.#db, async (transaction) => {
      const claimed = await this.#change(expected, "stopping", { reason: askedBy(by) }, transaction);
      if (claimed) {
        await this.#history.cutOff(expected, claimed, transaction);
        await this.#history.destroyed(by, [claimed], transaction);
      }
      return claimed;
    });
  }

  async #change(
    expected: ExpectedRow,
    status: SandboxStatus,
    fields: StatusFields,
    db: Db,
  ): Promise<SandboxRow | undefined> {
    const operation = UNDER_WAY.includes(status) ? {} : { operation: null };
    const changed = await db
      .updateTable("sandboxes")
      .set({ ...operation, ...columns(fields), status, version: sql`version + 1`, last_updated: sql`now()` })
      .$if(status === "running", (query) => query.set({ lease_expires_at: LEASE_END as never }))
      .where("id", "=", expected.id)
      .where("status", "=", expected.status)
      .where("version", "=", expected.version)
      .returningAll()
      .executeTakeFirst();
    // One that is no longer as it was read has been changed by another control plane, maybe.
    this.#publish([expected], db);
    return changed;
  }

  /** Holds a sandbox and its room on its host as they were read until the transaction ends; undefined when it has changed. */
  async lock({ id, version, host_id }: SandboxRow, transaction: Db): Promise<{ id: string } | undefined> {
    const held = await transaction
      .selectFrom("sandboxes")
      .select("id")
      .where("id", "=", id)
      .where("version", "=", version)
      .forNoKeyUpdate()
      .executeTakeFirst();
    await sql`select from host_loads where host_id = ${host_id} for no key update`.execute(transaction);
    return held;
  }

  /**
   * Notes that a sandbox that was being created runs, which a comparison with its host may have noted before; undefined when
   * it has ended meanwhile.
   */
  async begin(created: SandboxRow, fields: StatusFields): Promise<SandboxRow | undefined> {
    const changed = await this.change(created, "running", fields);
    if (changed) return changed;
    const found = await this.find(created.team_id, created.id);
    return found?.status === "running" ? found : undefined;
  }

  /** Notes why a sandbox did not start, also when a comparison with its host has noted before that it did not. */
  async fail(created: SandboxRow, error: string): Promise<void> {
    if (await this.change(created, "error", failure(error))) return;
    const found = await this.find(created.team_id, created.id);
    if (found?.status === "error") await this.change(found, "error", failure(error));
  }

  /** As `changeSettings`, on behalf of somebody, for whom `told` names the settings. */
  async updateSettings(id: string, fields: SettingsFields, by: Actor, told: string[]): Promise<SandboxRow | undefined> {
    if (told.length === 0) return this.changeSettings(id, fields);
    return within(this.#db, async (transaction) => {
      const changed = await this.changeSettings(id, fields, transaction);
      if (changed) await this.#history.updated(by, changed, told, transaction);
      return changed;
    });
  }

  /** Changes settings of a sandbox, whatever its status unless it is over; undefined when it is. */
  async changeSettings(id: string, fields: SettingsFields, db: Db = this.#db): Promise<SandboxRow | undefined> {
    const { lease_sec } = fields;
    const leaseEnd = sql`now() + ${lease_sec ?? null}::integer * interval '1 second'`;
    const changed = await db
      .updateTable("sandboxes")
      .set({ ...columns(fields), last_updated: sql`now()` })
      .$if(lease_sec !== undefined, (query) => query.set({ lease_expires_at: leaseEnd as never }))
      .where("id", "=", id)
      .where(LIVE)
      .returningAll()
      .executeTakeFirst();
    this.#publish([{ id }], db);
    return changed;
  }

  /** Whether a sandbox of a team has this name and is not on its way out. */
  async hasName(teamId: string, name: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("sandboxes")
      .select("id")
      .where("team_id", "=", teamId)
      .where("name", "=", name)
      .where("status", "not in", ["stopping", ...FINAL])
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Sandboxes of a host that are not over, with seconds since their last change. */
  async listOnHost(hostId: string): Promise<RowOnHost[]> {
    return this.#db
      .selectFrom("sandboxes")
      .select(["id", "team_id", "status", "version", "operation", "spec", "reason", "disk_bytes"])
      .select(sql<number>`extract(epoch from now() - last_updated)::float8`.as("ageSec"))
      .where("host_id", "=", hostId)
      .where(LIVE)
      .execute();
  }

  /** Sandboxes of some teams that run. */
  async listRunning(teamIds: string[]): Promise<Pick<SandboxRow, "id" | "team_id" | "host_id">[]> {
    return this.#db
      .selectFrom("sandboxes")
      .select(["id", "team_id", "host_id"])
      .where("team_id", "in", teamIds)
      .where("status", "=", "running")
      .execute();
  }

  /** Those of the given sandboxes that the database knows, with the host of those that are not over. */
  async findKnown(ids: string[]): Promise<Map<string, { isOver: boolean; host_id: string | null }>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom("sandboxes")
      .select(["id", "host_id", "status"])
      .where(sql<boolean>`id = any(${ids}::text[])`)
      .execute();
    return new Map(rows.map(({ id, host_id, status }) => [id, { host_id, isOver: FINAL.includes(status) }]));
  }

  /** Marks sandboxes of lost hosts that could be running, up to a number; returns how many. */
  async markMissing(most: number): Promise<number> {
    return within(this.#db, async (transaction) => {
      const ids = await transaction
        .selectFrom("hosts as host")
        .innerJoin("sandboxes as sandbox", "sandbox.host_id", "host.id")
        .select("sandbox.id")
        .where("host.status", "=", "unreachable")
        .where("sandbox.status", "in", ["pending", "starting", "running"])
        // In one order, so that two who take many do not wait for each other.
        .orderBy("sandbox.id")
        .limit(most)
        .forUpdate("sandbox")
        .execute();
      if (ids.length === 0) return 0;
      const rows = await transaction
        .updateTable("sandboxes")
        .set({ status: "missing", version: sql`version + 1`, last_updated: sql`now()` })
        .set({ reason: reasonNow("host_lost", "its host does not answer; it is back when its host is") })
        .where(sql<boolean>`id = any(${ids.map(({ id }) => id)}::text[])`)
        .where("status", "in", ["pending", "starting", "running"])
        .returning(["id", "team_id"])
        .execute();
      await this.#history.missing(rows, transaction);
      this.#publish(rows, transaction);
      return rows.length;
    });
  }

  /** Moves all sandboxes of a team that are not over to `stopping`, on behalf of somebody; returns them. */
  claimAll(teamId: string, by: Actor, transaction: Db): Promise<SandboxRow[]> {
    return this.#claimMany(sql`team_id = ${teamId} and ${LIVE}`, askedBy(by), by, transaction);
  }

  /** The same of all sandboxes of a host. */
  claimAllOnHost(hostId: string, by: Actor, transaction: Db): Promise<SandboxRow[]> {
    return this.#claimMany(sql`host_id = ${hostId} and ${LIVE}`, askedBy(by), by, transaction);
  }

  /** Notes that sandboxes are over of which nothing can be known any more: those of a host that is deleted. */
  async endOnHost(hostId: string, transaction: Db): Promise<void> {
    const rows = await transaction
      .updateTable("sandboxes")
      .set({ status: "stopped", host_ip: "", version: sql`version + 1`, last_updated: sql`now()` })
      .where("host_id", "=", hostId)
      .where("status", "=", "stopping")
      .returning("id")
      .execute();
    this.#publish(rows, transaction);
    await transaction.updateTable("sandboxes").set({ host_id: null }).where("host_id", "=", hostId).execute();
  }

  /** Moves all sandboxes whose lease has run out to `stopping`, for this reason; returns them. */
  claimExpired(reason: SandboxReason): Promise<SandboxRow[]> {
    const expired = sql<boolean>`lease_expires_at < now() and status <> 'stopping' and ${LIVE}`;
    return within(this.#db, (transaction) => this.#claimMany(expired, JSON.stringify(reason), SYSTEM, transaction));
  }

  /** Moves the sandboxes of which a condition holds to `stopping`; `reason`: JSON. */
  async #claimMany(condition: RawBuilder<boolean>, reason: string, by: Actor, transaction: Db): Promise<SandboxRow[]> {
    const found = await transaction
      .selectFrom("sandboxes")
      .select(["id", "status", "operation"])
      .where(condition)
      // In one order, so that two who take many do not wait for each other.
      .orderBy("id")
      .forUpdate()
      .execute();
    if (found.length === 0) return [];
    const former = new Map(found.map((row) => [row.id, row]));
    const rows = await transaction
      .updateTable("sandboxes")
      .set({ status: "stopping", operation: null, reason })
      .set({ version: sql`version + 1`, last_updated: sql`now()` })
      .where(sql<boolean>`id = any(${[...former.keys()]}::text[])`)
      .returningAll()
      .execute();
    const taken = rows.filter(({ id }) => former.get(id)!.status !== "stopping");
    for (const row of taken) await this.#history.cutOff(former.get(row.id)!, row, transaction);
    await this.#history.destroyed(by, taken, transaction);
    this.#publish(rows, transaction);
    return rows;
  }

  /** Lets leases that have run out begin anew. */
  async renewExpired(): Promise<void> {
    await this.#db
      .updateTable("sandboxes")
      .set({ lease_expires_at: LEASE_END as never })
      .where("lease_expires_at", "<", sql<Date>`now()`)
      .where(LIVE)
      .execute();
  }

  /** Writes times of last activity by sandbox in one statement; never moves a time back. */
  async writeLastActive(times: ReadonlyMap<string, Date>): Promise<void> {
    const rows = sql.join([...times].map(([id, at]) => sql`(${id}::text, ${at.toISOString()}::timestamptz)`));
    await sql`
      update sandboxes set last_active_at = greatest(last_active_at, active.at)
      from (values ${rows}) as active (id, at) where sandboxes.id = active.id
    `.execute(this.#db);
  }

  #publish(rows: { id: string }[], db: Db = this.#db): void {
    whenCommitted(db, () => {
      for (const { id } of rows) this.#changes.publish(id);
    });
  }
}

/** Columns that are to be written. */
function columns<Fields extends ChangedSettings & BegunOperation>({ settings, operation, ...fields }: Fields) {
  return {
    ...fields,
    ...(settings && { spec: sql<string>`spec || ${JSON.stringify(settings)}::jsonb` }),
    ...(operation && { operation: JSON.stringify(operation) }),
  };
}

/** Does something in a transaction: that of the caller, or a new one. */
function within<T>(db: Db, work: (transaction: Db) => Promise<T>): Promise<T> {
  return db.isTransaction ? work(db) : transact(db, work);
}
