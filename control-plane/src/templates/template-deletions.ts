import { WarrenError } from "@warren/contracts/errors";
import type { HeldTemplate } from "@warren/contracts/rest/hosts";
import { sql } from "kysely";
import type { Leadership } from "../database/leadership.ts";
import { REMOVED_TOGETHER, Retention } from "../database/retention.ts";
import type { Db } from "../database/tables.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import type { Logger } from "../logging.ts";
import type {} from "./template-hosts-table.ts";

/** Milliseconds that a host has to remove a template. */
const DELETE_TIMEOUT_MS = 60_000;
/** Deletions that are read together. */
const TOGETHER = 100;
/** Days for which it is known that a host was told, so that it is told again when it comes back with an older disk. */
const KEPT_DAYS = 30;

export interface TemplateDeletionsParts {
  db: Db;
  hostClients: HostClientPool;
  leadership: Leadership;
  log: Logger;
}

/** Removal of the files of templates, on every host that has them. What is noted here is done, whichever host or control plane is away. */
export class TemplateDeletions {
  readonly #parts: TemplateDeletionsParts;
  /** Hosts that are being told. */
  readonly #telling = new Map<string, Promise<void>>();
  /** Removes what hosts confirmed long ago. */
  readonly retention: Retention;

  constructor(parts: TemplateDeletionsParts) {
    this.#parts = parts;
    const { leadership, log } = parts;
    this.retention = new Retention({
      leadership,
      log,
      name: "template deletions",
      what: "deletions of templates",
      removeSome: () => this.#removeOld(),
    });
  }

  /**
   * Notes, in the transaction in which a template goes, that all hosts are to remove it that have it, but for `exceptHostId`;
   * which of these hosts are there to be told. Until the transaction ends no other host comes to have it.
   */
  async note(templateId: string, transaction: Db, exceptHostId: string | null = null): Promise<HostAddress[]> {
    await transaction.selectFrom("templates").select("id").where("id", "=", templateId).forUpdate().execute();
    const { rows } = await sql<{ host_id: string }>`
      insert into template_deletions (host_id, team_id, name, snapshot_id)
      select held.host_id, template.team_id, template.name, coalesce(template.snapshot_id, '')
      from template_hosts as held join templates as template on template.id = held.template_id
      where template.id = ${templateId} and held.host_id is distinct from ${exceptHostId}::uuid
      on conflict (host_id, team_id, name, snapshot_id) do update set confirmed_at = null, created_at = now()
      returning host_id
    `.execute(transaction);
    await transaction.deleteFrom("template_hosts").where("template_id", "=", templateId).execute();
    if (rows.length === 0) return [];
    const ids = rows.map(({ host_id }) => host_id);
    return transaction
      .selectFrom("hosts")
      .select(["id", "address", "registration"])
      .where("id", "in", ids)
      .where("status", "in", ["online", "draining"])
      .execute();
  }

  /** Notes that one host is to remove a template that is gone. */
  async noteOn(
    hostId: string,
    { teamId, name, snapshotId }: { teamId: string; name: string; snapshotId: string },
  ): Promise<void> {
    const row = { host_id: hostId, team_id: teamId, name, snapshot_id: snapshotId };
    await this.#parts.db
      .insertInto("template_deletions")
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(["host_id", "team_id", "name", "snapshot_id"]).doUpdateSet({ confirmed_at: null }),
      )
      .execute();
  }

  /** Whether a host may still have a template under a name that is to go. */
  async isOpen(hostId: string, teamId: string, name: string): Promise<boolean> {
    const row = await this.#parts.db
      .selectFrom("template_deletions")
      .select("host_id")
      .where("host_id", "=", hostId)
      .where("team_id", "=", teamId)
      .where("name", "=", name)
      .where("confirmed_at", "is", null)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** A host has made a template under a name: what it had under it before is gone by that. */
  async settle(hostId: string, teamId: string, name: string, transaction: Db): Promise<void> {
    await transaction
      .updateTable("template_deletions")
      .set({ confirmed_at: sql<Date>`now()` })
      .where("host_id", "=", hostId)
      .where("team_id", "=", teamId)
      .where("name", "=", name)
      .where("confirmed_at", "is", null)
      .execute();
  }

  /** Takes up what a host says that it has: what it was told to remove is to go again. */
  async noteHeld(hostId: string, held: readonly HeldTemplate[]): Promise<void> {
    const known = held.filter(({ team_id, snapshot_id }) => team_id !== undefined && snapshot_id !== undefined);
    if (known.length === 0) return;
    const teams = known.map(({ team_id }) => team_id!);
    const names = known.map(({ name }) => name);
    const snapshots = known.map(({ snapshot_id }) => snapshot_id!);
    await sql`
      update template_deletions set confirmed_at = null
      from unnest(${teams}::uuid[], ${names}::text[], ${snapshots}::text[]) as held (team_id, name, snapshot_id)
      where template_deletions.host_id = ${hostId} and template_deletions.confirmed_at is not null
        and (template_deletions.team_id, template_deletions.name, template_deletions.snapshot_id)
          = (held.team_id, held.name, held.snapshot_id)
    `.execute(this.#parts.db);
  }

  /** Tells a host what it is to remove. Never rejects: what fails is tried again with the host's next sign of life. */
  carryOut(host: HostAddress): Promise<void> {
    const under = this.#telling.get(host.id);
    // What was noted after it had read its list is told by another round.
    const telling = (under ?? Promise.resolve())
      .then(() => this.#carryOut(host))
      .catch((error: unknown) => {
        this.#parts.log.debug({ err: error, host: host.id }, "a host could not remove a template yet");
      })
      .finally(() => {
        if (this.#telling.get(host.id) === telling) this.#telling.delete(host.id);
      });
    this.#telling.set(host.id, telling);
    return telling;
  }

  async #carryOut(host: HostAddress): Promise<void> {
    const { db, hostClients, log } = this.#parts;
    for (;;) {
      const open = await db
        .selectFrom("template_deletions")
        .select(["team_id", "name", "snapshot_id"])
        .where("host_id", "=", host.id)
        .where("confirmed_at", "is", null)
        .orderBy("created_at")
        .limit(TOGETHER)
        .execute();
      for (const { team_id: teamId, name, snapshot_id: snapshotId } of open) {
        await remove(hostClients, host, { teamId, name, snapshotId });
        log.info({ host: host.id, template: name }, "a host has removed a template");
        await db
          .updateTable("template_deletions")
          .set({ confirmed_at: sql<Date>`now()` })
          .where("host_id", "=", host.id)
          .where("team_id", "=", teamId)
          .where("name", "=", name)
          .where("snapshot_id", "=", snapshotId)
          .execute();
      }
      if (open.length < TOGETHER) return;
    }
  }

  async #removeOld(): Promise<number> {
    const { numAffectedRows = 0n } = await sql`
      delete from template_deletions where ctid in (
        select ctid from template_deletions
        where confirmed_at < now() - make_interval(days => ${KEPT_DAYS}) limit ${REMOVED_TOGETHER}
      )
    `.execute(this.#parts.db);
    return Number(numAffectedRows);
  }
}

/** One that the host has not is gone as well. */
async function remove(
  hostClients: HostClientPool,
  host: HostAddress,
  template: { teamId: string; name: string; snapshotId: string },
): Promise<void> {
  try {
    const agent = hostClients.agentOf(host);
    await callHost(() => agent.deleteTemplate(template, { timeoutMs: DELETE_TIMEOUT_MS }));
  } catch (error) {
    if (!(error instanceof WarrenError) || error.code !== "template_not_found") throw error;
  }
}
