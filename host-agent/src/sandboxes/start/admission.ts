import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { WarmPool } from "./warm-pool.ts";

/** Admits what callers ask for to a host: what the warm pool keeps ready is evicted for it. */
export class Admission {
  readonly #registry: SandboxRegistry;
  readonly #warmPool: WarmPool;

  constructor(registry: SandboxRegistry, warmPool: WarmPool) {
    this.#registry = registry;
    this.#warmPool = warmPool;
  }

  /**
   * Throws `host_full` when the microVM of a sandbox does not fit. `onAdmitted` is called in the same moment, for one that
   * takes room by its status: whoever is admitted next counts it.
   */
  async require(sandbox: Sandbox, onAdmitted: () => void = () => undefined): Promise<void> {
    try {
      this.#registry.admit(sandbox);
    } catch (error) {
      if (!(await this.#warmPool.evict())) throw error;
      this.#registry.admit(sandbox);
    }
    onAdmitted();
  }
}
