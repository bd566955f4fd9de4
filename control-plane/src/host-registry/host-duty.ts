import { WarrenError } from "@warren/contracts/errors";
import type { HostStatus } from "@warren/contracts/rest/hosts";
import { sql } from "kysely";
import type { TeamEvents } from "../audit/team-events.ts";
import { FINAL } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { actorOfKeeper, type HostKeeper } from "./host-keeper.ts";
import type { HostService } from "./host-service.ts";
import type { HostRow } from "./registry-store.ts";

/** What an operator may want of a host. */
type Duty = "drain" | "offline" | "online";

/** Seconds since its last sign of life for which a host counts as one that answers. */
const ANSWERS_SEC = 90;

/** How a host is changed: the states from which, what is then in its row, and how the audit log calls it. */
const CHANGES = {
  drain: {
    from: ["online", "draining", "unreachable"],
    isDraining: true,
    status: sql<HostStatus>`case when status = 'online' then 'draining' else status end`,
    event: "drain",
  },
  offline: {
    from: ["online", "draining", "unreachable", "offline"],
    isDraining: false,
    status: sql<HostStatus>`'offline'`,
    event: "set_offline",
  },
  online: {
    from: ["online", "draining", "unreachable", "offline"],
    isDraining: false,
    // One that has not been heard of lately is online with the next answer.
    status: sql<HostStatus>`case
      when status <> 'unreachable' and last_heartbeat_at > now() - make_interval(secs => ${ANSWERS_SEC}) then 'online'
      else 'unreachable'
    end`,
    event: "set_online",
  },
} as const satisfies Record<Duty, object>;

/** What the service needs. */
export interface HostDutyParts {
  db: Db;
  hosts: HostService;
  audit: TeamEvents;
}

/** Whether hosts take sandboxes, as their operators want it. */
export class HostDuty {
  readonly #parts: HostDutyParts;

  constructor(parts: HostDutyParts) {
    this.#parts = parts;
  }

  /**
   * Has a host take sandboxes or not; throws `invalid_state` when it has not registered, and `has_active_sandboxes` when it is to
   * be out of service and has sandboxes that are not paused.
   */
  async set(by: HostKeeper, hostId: string, duty: Duty): Promise<HostRow> {
    const { db, hosts, audit } = this.#parts;
    const host = await hosts.requireManaged(by, hostId);
    const { from, isDraining, status, event } = CHANGES[duty];
    return transact(db, async (transaction) => {
      const changed = await transaction
        .updateTable("hosts")
        .set({ status, is_draining: isDraining, updated_at: sql`now()` })
        .where("id", "=", hostId)
        .where("status", "in", from)
        .returningAll()
        .executeTakeFirst();
      if (!changed) {
        throw new WarrenError(
          "invalid_state",
          `the host is ${host.status}; only one that has registered, and is in service, can do that`,
        );
      }
      // Asked once nothing new is placed on it.
      if (duty === "offline") await requireIdle(hostId, transaction);
      await audit.hostServiceSet(transaction, actorOfKeeper(by), hostId, changed.team_id, event);
      return changed;
    });
  }
}

/** Throws when a host has sandboxes that are neither paused nor over. */
async function requireIdle(hostId: string, db: Db): Promise<void> {
  const { count } = await db
    .selectFrom("sandboxes")
    .select(sql<number>`count(*)::integer`.as("count"))
    .where("host_id", "=", hostId)
    .where("status", "not in", ["paused", ...FINAL])
    .executeTakeFirstOrThrow();
  if (count === 0) return;
  const message = `the host has ${count} sandboxes that are not paused; drain it, and pause or destroy them first`;
  throw new WarrenError("has_active_sandboxes", message);
}
