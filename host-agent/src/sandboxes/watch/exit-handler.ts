import type { Logger } from "pino";
import type { VmExit } from "../../vmm/vmm.ts";
import type { Remover } from "../end/remover.ts";
import { reasonOfExit, type SandboxReason } from "../record/reason.ts";
import type { Pauser } from "../snapshot/pauser.ts";
import type { WarmPool } from "../start/warm-pool.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";

export interface ExitHandlerParts {
  registry: SandboxRegistry;
  pauser: Pauser;
  remover: Remover;
  warmPool: WarmPool;
  log: Logger;
}

/** What becomes of sandboxes whose microVMs end though nobody asked for it. */
export class ExitHandler {
  readonly #parts: ExitHandlerParts;

  constructor(parts: ExitHandlerParts) {
    this.#parts = parts;
  }

  /** The microVM of a sandbox has ended by itself. */
  happened(sandbox: Sandbox, exit: VmExit): void {
    const { log, registry, warmPool } = this.#parts;
    log.warn({ sandbox: sandbox.id, cause: exit.cause, console: exit.consoleTail }, "the microVM ended by itself");
    if (registry.isUnclaimed(sandbox)) {
      warmPool.lost(sandbox);
      return;
    }
    if (sandbox.lifecycle.destroySignal.aborted) return;
    const { live } = sandbox;
    const reason = reasonOfExit(exit);
    // An operation that is under way notices by itself, and brings the sandbox into a state at rest.
    if (sandbox.lifecycle.status === "running") sandbox.lose(reason);
    const work = sandbox.lifecycle.perform("lost", async () => {
      try {
        if (sandbox.lifecycle.status === "running" && sandbox.live === live) await this.#clearAway(sandbox, reason);
      } finally {
        // One that could not be ended wholly has ended nonetheless, and says so until it is destroyed.
        if (sandbox.lifecycle.status !== "stopping") sandbox.settle();
      }
    });
    work.catch((error: unknown) => {
      log.error({ sandbox: sandbox.id, err: error }, "cannot clean up behind a microVM that ended");
    });
  }

  /** One rule for all ends that nobody asked for: back to the last pause, or stopped for good where there is none. */
  async #clearAway(sandbox: Sandbox, reason: SandboxReason): Promise<void> {
    const { pauser, remover } = this.#parts;
    if (sandbox.record.ownSnapshot) await pauser.returnToLastPause(sandbox, reason);
    else await remover.end(sandbox, reason);
  }
}
