import type { Logger } from "../logging.ts";
import type { HostAddress, HostClientPool } from "./host-client-pool.ts";
import type { HostStore } from "./host-store.ts";

/** Milliseconds that the host has to describe itself. */
const DESCRIBE_TIMEOUT_MS = 5000;

/** The templates that everybody may use. */
export interface BuiltInTemplates {
  /** Makes those known that are not yet. */
  addBuiltIn(names: string[]): Promise<void>;
}

/** What a host of this machine needs. */
export interface LocalHostParts {
  hosts: HostStore;
  templates: BuiltInTemplates;
  hostClients: HostClientPool;
  log: Logger;
}

/** The host agent of this machine, which is known by configuration and may start before or after the control plane. */
export class LocalHost {
  readonly #parts: LocalHostParts;
  readonly #host: HostAddress;
  #joined = false;
  #joining: Promise<void> | undefined;

  private constructor(host: HostAddress, parts: LocalHostParts) {
    this.#host = host;
    this.#parts = parts;
  }

  /** Makes the host known, and brings it online if it answers already. */
  static async register(address: string, parts: LocalHostParts): Promise<LocalHost> {
    const local = new LocalHost(await parts.hosts.registerLocal(address), parts);
    await local.join();
    return local;
  }

  /** Brings the host online if it answers and has not been asked with success before. Never rejects. */
  async join(): Promise<void> {
    if (this.#joined) return;
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined;
    });
    await this.#joining;
  }

  async #join(): Promise<void> {
    const { hosts, templates, hostClients, log } = this.#parts;
    try {
      const description = await hostClients.agentOf(this.#host).getHost({}, { timeoutMs: DESCRIBE_TIMEOUT_MS });
      await hosts.describe(this.#host.id, description);
      const builtIn = description.templates.filter((template) => template.teamId === "" && template.type === "base");
      await templates.addBuiltIn(builtIn.map((template) => template.name));
      await hosts.markAlive({ id: this.#host.id, status: "unreachable" });
      this.#joined = true;
    } catch (error) {
      const { message } = error as Error;
      log.info({ reason: message, address: this.#host.address }, "the host agent of this machine does not answer yet");
    }
  }
}
