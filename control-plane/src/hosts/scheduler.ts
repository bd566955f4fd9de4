import type { Db } from "../database/tables.ts";
import { AvoidedHosts } from "./avoided-hosts.ts";
import type { HostAddress } from "./host-client-pool.ts";
import { type Demand, type PlacementOrder, placementQuery, type Search } from "./placement-query.ts";
import { refusedPlacement } from "./placement-refusal.ts";

/** Decides where a sandbox runs. */
export interface Scheduler {
  /**
   * Reserves a host in the transaction that then writes the sandbox's row, by which its room is taken, whichever control plane
   * places others at the same time. Throws `no_hosts_available`, `host_unavailable`, `host_full` or, when no host has the
   * tags, `not_found`.
   */
  place(demand: Demand, transaction: Db): Promise<HostAddress>;
  /** Takes a host only where no other will do, for a while: it has just refused a sandbox, or did not answer. */
  avoid(hostId: string): void;
  /** Brings hosts online that can be; it is tried once before a team is told that none is. */
  probe: () => Promise<void>;
}

/** Takes the first host, in an order, that will do and has room, in one statement. */
export class HostScheduler implements Scheduler {
  probe: () => Promise<void> = async () => undefined;
  readonly #order: PlacementOrder;
  readonly #avoided = new AvoidedHosts();

  constructor(order: PlacementOrder) {
    this.#order = order;
  }

  avoid(hostId: string): void {
    this.#avoided.add(hostId);
  }

  async place(demand: Demand, transaction: Db): Promise<HostAddress> {
    for (const search of this.#searches(demand.refusedBy ?? [])) {
      const host = await this.#reserve(demand, search, transaction);
      if (host) return host;
    }
    throw await refusedPlacement(demand, transaction);
  }

  #searches(refusedBy: readonly string[]): Search[] {
    const avoided = this.#avoided.present();
    const without = [...refusedBy, ...avoided];
    // One that moves keeps its former host locked, and so waits for no other.
    const ways: Search["among"][] = refusedBy.length > 0 ? ["free"] : ["free", "busy"];
    const searches = ways.map((among) => ({ among, without }));
    if (avoided.length === 0) return searches;
    return [...searches, ...ways.map((among) => ({ among, without: refusedBy }))];
  }

  /** The host stays locked until the transaction ends: nobody else's sandbox is placed on it before. */
  async #reserve(demand: Demand, search: Search, transaction: Db): Promise<HostAddress | undefined> {
    const { rows } = await placementQuery(this.#order, demand, search).execute(transaction);
    return rows[0];
  }
}
