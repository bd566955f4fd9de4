import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { WarmPool } from "./warm-pool.ts";

/** The room of a host for what callers ask for: what stands ready gives way to it. */
export class Room {
  readonly #registry: SandboxRegistry;
  readonly #pool: WarmPool;

  constructor(registry: SandboxRegistry, pool: WarmPool) {
    this.#registry = registry;
    this.#pool = pool;
  }

  /** Throws `host_full` when the microVM of a sandbox does not fit. */
  async require(sandbox: Sandbox): Promise<void> {
    try {
      this.#registry.admit(sandbox);
    } catch (error) {
      if (!(await this.#pool.giveWay())) throw error;
      this.#registry.admit(sandbox);
    }
  }
}
