import { WarrenError } from "@warren/contracts/errors";
import { createHostClient, type HostAgent, type HostClient } from "./host-client.ts";

/** A host as calls need it. */
export interface HostAddress {
  /** UUID of the host. */
  id: string;
  address: string;
}

/** The connections to each host, opened with the first call and kept until the host's address changes or it is evicted. */
export class HostClientPool {
  readonly #clients = new Map<string, HostClient>();

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
    if (known?.address === host.address) return known;
    known?.close();
    const client = createHostClient(host.address);
    this.#clients.set(host.id, client);
    return client;
  }

  /** Breaks the connections of a host that was deleted. */
  evict(hostId: string): void {
    this.#clients.get(hostId)?.close();
    this.#clients.delete(hostId);
  }

  /** Breaks all connections. */
  close(): void {
    for (const hostId of [...this.#clients.keys()]) this.evict(hostId);
  }
}
