import type { GetHostResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { HostStatus } from "@warren/contracts/rest/hosts";
import { sql } from "kysely";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { HostAddress } from "./host-client-pool.ts";
import { textOfHost } from "./host-text.ts";

/** A host that the monitor looks after. */
export interface MonitoredHost extends HostAddress {
  status: HostStatus;
}

/** Most that is believed of any number, and kept. */
const MOST = 2_147_483_647;
/** The status of a host that answers. */
export const IN_SERVICE = sql<HostStatus>`case when is_draining then 'draining' else 'online' end`;

/** Whether a host has registered, and is online with its next answer. */
export function isToBeReached({ status, registration }: Pick<MonitoredHost, "registration" | "status">): boolean {
  return status === "unreachable" || (status === "pending" && registration > 0);
}

/** Rows of hosts. */
export class HostStore {
  readonly #db: Db;
  readonly #audit: TeamEvents;

  constructor(db: Db, audit: TeamEvents) {
    this.#db = db;
    this.#audit = audit;
  }

  /** Hosts whose address is known and that no operator has taken out of service. */
  async listMonitored(): Promise<MonitoredHost[]> {
    return this.#db
      .selectFrom("hosts")
      .select(["id", "address", "registration", "status"])
      .where("status", "in", ["pending", "online", "unreachable", "draining"])
      .where("address", "<>", "")
      .orderBy("created_at")
      .execute();
  }

  /** Notes an answer of a host, or a sign of life. Returns whether it brought the host online. */
  async markAlive(host: Pick<MonitoredHost, "id" | "registration" | "status">): Promise<boolean> {
    if (!isToBeReached(host)) {
      await this.#db.updateTable("hosts").set({ last_heartbeat_at: sql`now()` }).where("id", "=", host.id).execute();
      return false;
    }
    return transact(this.#db, async (transaction) => {
      // The row stays locked, so that nobody else's sign of life comes between.
      const before = await transaction
        .selectFrom("hosts")
        .select("last_heartbeat_at")
        .where("id", "=", host.id)
        .forNoKeyUpdate()
        .executeTakeFirst();
      const woken = await transaction
        .updateTable("hosts")
        .set({ status: IN_SERVICE, last_heartbeat_at: sql`now()`, updated_at: sql`now()` })
        .where("id", "=", host.id)
        .where("status", "=", host.status)
        .where("registration", "=", host.registration)
        .returning("team_id")
        .executeTakeFirst();
      if (woken && host.status === "unreachable") {
        const again = before?.last_heartbeat_at != null;
        await this.#audit.hostMarkedUp(transaction, host.id, woken.team_id, again);
      }
      return woken !== undefined;
    });
  }

  /** A host of `listMonitored`; undefined when it is none. */
  async findMonitored(hostId: string): Promise<MonitoredHost | undefined> {
    const host = await this.find(hostId);
    return host && host.address !== "" && host.status !== "offline" ? host : undefined;
  }

  async find(hostId: string): Promise<MonitoredHost | undefined> {
    return this.#db
      .selectFrom("hosts")
      .select(["id", "address", "registration", "status"])
      .where("id", "=", hostId)
      .executeTakeFirst();
  }

  /** Records what a host offers. */
  async describe(hostId: string, host: GetHostResponse): Promise<void> {
    await this.#db
      .updateTable("hosts")
      .set({
        arch: textOfHost(host.arch, 32),
        cpu_cores: Math.min(host.cpuCores, MOST),
        memory_mb: Math.min(host.memoryMb, MOST),
        disk_gb: Math.min(host.diskGb, MOST),
        metadata: sql`metadata || ${JSON.stringify({
          accelerator: textOfHost(host.accelerator, 32),
          vmm: textOfHost(host.version, 64),
        })}::jsonb` as never,
        updated_at: sql`now()`,
      })
      .where("id", "=", hostId)
      .execute();
  }
}
