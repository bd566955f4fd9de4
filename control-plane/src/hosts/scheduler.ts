import { WarrenError } from "@warren/contracts/errors";
import type { HostAddress } from "./host-client-pool.ts";
import type { HostStore } from "./host-store.ts";

/** Decides where a new sandbox runs. */
export interface Scheduler {
  /** Hosts to try in this order; throws `no_hosts_available` when the team has none. */
  placements(teamId: string): Promise<HostAddress[]>;
}

/** Asks hosts that are not online whether they answer now, and brings those online that do. */
export type ProbeHosts = () => Promise<void>;

/** Takes the hosts in turn, one round for all control planes together. */
export class RoundRobinScheduler implements Scheduler {
  readonly #hosts: HostStore;
  readonly #probe: ProbeHosts | undefined;

  /** `probe` is tried once before a team is told that no host is online. */
  constructor(hosts: HostStore, probe?: ProbeHosts) {
    this.#hosts = hosts;
    this.#probe = probe;
  }

  async placements(teamId: string): Promise<HostAddress[]> {
    let active = await this.#hosts.listActiveHosts(teamId);
    if (active.hosts.length === 0 && this.#probe) {
      await this.#probe();
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
