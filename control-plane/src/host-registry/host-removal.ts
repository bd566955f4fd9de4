import { WarrenError } from "@warren/contracts/errors";
import { sql } from "kysely";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Actor } from "../callers/caller.ts";
import { FINAL } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import type { SandboxService } from "../sandboxes/sandbox-service.ts";
import { actorOfKeeper, type HostKeeper } from "./host-keeper.ts";
import type { HostService } from "./host-service.ts";
import type { HostRow } from "./registry-store.ts";

/** What goes with a host that is deleted. */
export interface LostWithHost {
  sandboxIds: string[];
  /** Names of templates whose files only this host has. */
  templates: string[];
}

/** A host cannot be deleted without a loss. */
export class HostInUse extends WarrenError {
  readonly lost: LostWithHost;

  constructor(lost: LostWithHost) {
    const { sandboxIds, templates } = lost;
    super(
      "has_active_sandboxes",
      `the host has ${sandboxIds.length} sandboxes and ${templates.length} templates, which would be lost with it; ` +
        "destroy them first, or delete it with force=true",
    );
    this.lost = lost;
  }
}

/** What removal needs. */
export interface HostRemovalParts {
  db: Db;
  hosts: HostService;
  sandboxes: SandboxService;
  hostClients: HostClientPool;
  audit: TeamEvents;
}

/** The deletion of hosts. */
export class HostRemoval {
  readonly #parts: HostRemovalParts;

  constructor(parts: HostRemovalParts) {
    this.#parts = parts;
  }

  /** A host and what would go with it. */
  async preview(by: HostKeeper, hostId: string): Promise<{ host: HostRow; lost: LostWithHost }> {
    const host = await this.#parts.hosts.get(by, hostId);
    return { host, lost: await lostWith(hostId, this.#parts.db) };
  }

  /**
   * Deletes a host; throws `HostInUse` when something would be lost, unless that is meant (`force`). Its sandboxes are
   * destroyed first, as far as it answers; of one that does not, nothing counts any more.
   */
  async remove(by: HostKeeper, hostId: string, force: boolean): Promise<void> {
    const { hosts, sandboxes, hostClients } = this.#parts;
    const host = await hosts.requireManaged(by, hostId);
    const actor = actorOfKeeper(by);
    let destroyed = 0;
    for (;;) {
      const claimed = force ? await this.#claim(hostId, actor) : [];
      destroyed += claimed.length;
      if (host.status !== "unreachable") await sandboxes.endAll(claimed);
      if (await this.#forget(host, actor, { force, destroyed })) break;
    }
    hostClients.evict(hostId);
  }

  /** Takes the host and its sandboxes out of use. */
  async #claim(hostId: string, by: Actor) {
    const { db, sandboxes } = this.#parts;
    return transact(db, async (transaction) => {
      // Sandboxes first, as all do who change them. What comes in between is claimed in the next turn.
      const claimed = await sandboxes.claimAllOnHost(hostId, by, transaction);
      await transaction.updateTable("hosts").set({ status: "offline" }).where("id", "=", hostId).execute();
      return claimed;
    });
  }

  /** Removes the rows of a host; false when sandboxes have come meanwhile that were not claimed. */
  async #forget(host: HostRow, by: Actor, { force, destroyed }: { force: boolean; destroyed: number }) {
    const { db, sandboxes, audit } = this.#parts;
    return transact(db, async (transaction) => {
      // Nothing that would refer to the host can be added from here on.
      const held = await transaction.selectFrom("hosts").select("id").where("id", "=", host.id).forUpdate().execute();
      if (held.length === 0) throw new WarrenError("not_found", "there is no such host");
      const lost = await lostWith(host.id, transaction);
      if (!force && lost.sandboxIds.length + lost.templates.length > 0) throw new HostInUse(lost);
      if (lost.sandboxIds.length > 0 && (await hasUnclaimed(host.id, transaction))) return false;
      await sandboxes.forgetHost(host.id, transaction);
      const gone = await transaction
        .deleteFrom("templates")
        .where("id", "in", onlyOn(host.id))
        .returning(["team_id", "name"])
        .execute();
      for (const template of gone) await audit.snapshotDeleted(transaction, by, template);
      await transaction.deleteFrom("hosts").where("id", "=", host.id).execute();
      const about = { address: host.address, sandboxes: destroyed, templates: lost.templates };
      await audit.hostDeleted(transaction, by, host.id, host.team_id, about);
      return true;
    });
  }
}

async function lostWith(hostId: string, db: Db): Promise<LostWithHost> {
  const sandboxes = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("host_id", "=", hostId)
    .where("status", "not in", FINAL)
    .orderBy("created_at")
    .execute();
  const templates = await db
    .selectFrom("templates")
    .select("name")
    .where("id", "in", onlyOn(hostId))
    .orderBy("name")
    .execute();
  return { sandboxIds: sandboxes.map(({ id }) => id), templates: templates.map(({ name }) => name) };
}

/** Ids of the templates that no other host has. */
function onlyOn(hostId: string) {
  return sql<string>`(
    select template_id from template_hosts as held where host_id = ${hostId} and not exists (
      select from template_hosts as other where other.template_id = held.template_id and other.host_id <> ${hostId}
    )
  )`;
}

async function hasUnclaimed(hostId: string, db: Db): Promise<boolean> {
  const row = await db
    .selectFrom("sandboxes")
    .select("id")
    .where("host_id", "=", hostId)
    .where("status", "not in", ["stopping", ...FINAL])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
