import { setInterval } from "node:timers/promises";
import { SANDBOX_REASONS, type SandboxReason } from "@warren/contracts/rest/sandboxes";
import type { Leadership } from "../database/leadership.ts";
import type { Logger } from "../logging.ts";
import type { SandboxService } from "./sandbox-service.ts";
import type { SandboxStore } from "./sandbox-store.ts";

/** Milliseconds between two looks for leases that have run out. */
const INTERVAL_MS = 2000;

export interface SandboxLeasesParts {
  store: SandboxStore;
  sandboxes: SandboxService;
  leadership: Leadership;
  log: Logger;
}

/** Ends sandboxes whose client no longer renews their lease. Runs in one control plane at a time. */
export class SandboxLeases {
  readonly #parts: SandboxLeasesParts;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: SandboxLeasesParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("sandbox leases", (signal) => this.#follow(signal), this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      // Nobody could renew those that ran out while no control plane was there.
      await this.#parts.store.renewExpired();
      for await (const _ of setInterval(INTERVAL_MS, undefined, { signal })) await this.#endExpired();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #endExpired(): Promise<void> {
    const { store, sandboxes, log } = this.#parts;
    const reason: SandboxReason = {
      code: "lease_expired",
      message: SANDBOX_REASONS.lease_expired,
      at: new Date().toISOString(),
    };
    try {
      const claimed = await store.claimExpired(reason);
      for (const { id } of claimed) log.info({ sandbox: id }, "ending a sandbox whose lease has run out");
      // A host that does not answer holds back no other.
      void sandboxes.endAll(claimed);
    } catch (error) {
      log.error({ err: error }, "leases could not be looked at");
    }
  }
}
