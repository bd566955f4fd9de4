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

/** Rows of hosts. */
export class HostStore {
  readonly #db: Db;
  readonly #audit: TeamEvents;

  constructor(db: Db, audit: TeamEvents) {
    this.#db = db;
    this.#audit = audit;
  }

  /**
   * Online hosts on which a team's sandboxes may run, oldest first, and the number of this placement. A team that brings
   * its own hosts uses only those; the others share the regular ones.
   */
  async listActiveHosts(teamId: string): Promise<{ hosts: HostAddress[]; turn: number }> {
    const { rows } = await sql<{ id: string; address: string; turn: number }>`
      select host.id, host.address, (select nextval('sandbox_placements')) as turn
      from hosts as host
      join teams as team on team.id = ${teamId}
      where host.status = 'online' and host.address <> ''
        and case when team.is_byoc then host.type = 'byoc' and host.team_id = team.id else host.type = 'regular' end
      order by host.created_at, host.id
    `.execute(this.#db);
    return { hosts: rows.map(({ id, address }) => ({ id, address })), turn: rows[0]?.turn ?? 0 };
  }

  /** Hosts whose address is known and that no operator has taken out of service. */
  async listMonitored(): Promise<MonitoredHost[]> {
    return this.#db
      .selectFrom("hosts")
      .select(["id", "address", "status"])
      .where("status", "in", ["pending", "online", "unreachable", "draining"])
      .where("address", "<>", "")
      .orderBy("created_at")
      .execute();
  }

  /** Notes a sign of life. Returns whether it brought the host back online. */
  async markAlive(host: Pick<MonitoredHost, "id" | "status">): Promise<boolean> {
    if (host.status !== "unreachable") {
      await this.#db.updateTable("hosts").set({ last_heartbeat_at: sql`now()` }).where("id", "=", host.id).execute();
      return false;
    }
    return transact(this.#db, async (transaction) => {
      // The row stays locked, so that nobody else's sign of life comes between.
      const before = await transaction
        .selectFrom("hosts")
        .select("last_heartbeat_at")
        .where("id", "=", host.id)
        .forUpdate()
        .executeTakeFirst();
      const woken = await transaction
        .updateTable("hosts")
        .set({ status: "online", last_heartbeat_at: sql`now()`, updated_at: sql`now()` })
        .where("id", "=", host.id)
        .where("status", "=", "unreachable")
        .returning("team_id")
        .executeTakeFirst();
      if (woken) {
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
    return this.#db.selectFrom("hosts").select(["id", "address", "status"]).where("id", "=", hostId).executeTakeFirst();
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
