import type { HostClientPool } from "./host-client-pool.ts";
import type { HostStore, MonitoredHost } from "./host-store.ts";
import { textOfHost } from "./host-text.ts";

/** Milliseconds that a host has to answer: less than it waits for the answer to its own sign of life. */
const LIMIT_MS = 5000;
/** Characters of a reason. */
const LONGEST_REASON = 300;

/** Whether hosts are where they say. */
export class HostReach {
  readonly #hosts: HostStore;
  readonly #clients: HostClientPool;

  constructor(hosts: HostStore, clients: HostClientPool) {
    this.#hosts = hosts;
    this.#clients = clients;
  }

  /** Calls a host that waits or was lost, and brings it online when it answers; else says why it does not. */
  async bringOnline(host: MonitoredHost): Promise<{ woken: boolean; unreached?: string }> {
    try {
      const described = await this.#clients.agentOf(host).getHost({}, { timeoutMs: LIMIT_MS });
      const woken = await this.#hosts.markAlive(host);
      await this.#hosts.describe(host.id, described);
      return { woken };
    } catch (error) {
      return { woken: false, unreached: textOfHost(causeOf(error), LONGEST_REASON) };
    }
  }
}

/** What is at the bottom of an error, as those who mend networks know it. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return "it does not answer";
  if (error.cause instanceof Error) return causeOf(error.cause);
  return "rawMessage" in error && typeof error.rawMessage === "string" ? error.rawMessage : error.message;
}
