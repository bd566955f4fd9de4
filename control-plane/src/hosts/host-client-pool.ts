import { WarrenError } from "@warren/contracts/errors";
import { createHostClient, type HostAgent, type HostClient } from "./host-client.ts";
import type { HostTrust } from "./host-connection.ts";

/** A host as calls need it. */
export interface HostAddress {
  /** UUID of the host. */
  id: string;
  address: string;
  /** Counts its registrations: what has a certificate of an earlier one is not the host. */
  registration: number;
}

/** The connections to each host, opened with the first call and kept until it registers again or is evicted. */
export class HostClientPool {
  readonly #trust: HostTrust;
  readonly #clients = new Map<string, { host: HostAddress; client: HostClient }>();

  constructor(trust: HostTrust) {
    this.#trust = trust;
  }

  /** The agent of a host; throws `host_unavailable` when the host has no address. */
  agentOf(host: HostAddress): HostAgent {
    return this.clientOf(host).agent;
  }

  /** All that a host can be asked for; throws `host_unavailable` when the host has no address. */
  clientOf(host: HostAddress): HostClient {
    if (host.address === "") {
      throw new WarrenError("host_unavailable", "the sandbox's host has not registered an address; try again shortly");
    }
    const known = this.#clients.get(host.id);
    // Who asks may have read where the host was a moment before it registered again.
    if (known && (known.host.registration > host.registration || isSame(known.host, host))) return known.client;
    known?.client.close();
    const client = createHostClient(host.address, { ...host, trust: this.#trust });
    this.#clients.set(host.id, { host, client });
    return client;
  }

  /** Breaks the connections of a host that was deleted. */
  evict(hostId: string): void {
    this.#clients.get(hostId)?.client.close();
    this.#clients.delete(hostId);
  }

  /** Breaks all connections. */
  close(): void {
    for (const hostId of [...this.#clients.keys()]) this.evict(hostId);
  }
}

function isSame(one: HostAddress, other: HostAddress): boolean {
  return one.address === other.address && one.registration === other.registration;
}
