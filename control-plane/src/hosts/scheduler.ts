import { WarrenError } from "@warren/contracts/errors";
import type { HostAddress } from "./host-client-pool.ts";
import type { HostStore } from "./host-store.ts";

/** Decides where a new sandbox runs. */
export interface Scheduler {
  /** Hosts to try in this order; throws `no_hosts_available` when the team has none. */
  placements(teamId: string): Promise<HostAddress[]>;
}

/** Takes the hosts in turn, one round for all control planes together. */
export class RoundRobinScheduler implements Scheduler {
  /** Brings hosts online that can be; it is tried once before a team is told that none is. */
  probe: () => Promise<void> = async () => undefined;
  readonly #hosts: HostStore;

  constructor(hosts: HostStore) {
    this.#hosts = hosts;
  }

  async placements(teamId: string): Promise<HostAddress[]> {
    let active = await this.#hosts.listActiveHosts(teamId);
    if (active.hosts.length === 0) {
      await this.probe();
      active = await this.#hosts.listActiveHosts(teamId);
    }
    const { hosts, turn } = active;
    if (hosts.length === 0) {
      throw new WarrenError("no_hosts_available", "no host is online for this team; try again shortly");
    }
    const first = turn % hosts.length;
    return [...hosts.slice(first), ...hosts.slice(0, first)];
  }
}
