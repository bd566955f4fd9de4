import type { CreateTemplate, Template } from "@warren/contracts/rest/templates";
import type { Sandbox } from "./sandbox.ts";
import type { Transport } from "./transport.ts";

/** The templates of the caller's team, and those of the server. */
export class Templates {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. A name is generated when none is given. */
  create(
    sandbox: Sandbox,
    options: { name?: string; overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<Template> {
    const json: CreateTemplate = {
      sandbox_id: sandbox.id,
      ...(options.name === undefined ? {} : { name: options.name }),
    };
    const path = `/v1/snapshots${options.overwrite ? "?overwrite=true" : ""}`;
    return this.#transport.json({ method: "POST", path, json, signal: options.signal });
  }

  /** Templates of one type, or all. */
  list(type?: Template["type"], signal?: AbortSignal): Promise<Template[]> {
    const path = `/v1/snapshots${type === undefined ? "" : `?type=${type}`}`;
    return this.#transport.json({ method: "GET", path, safe: true, signal });
  }

  /** Removes a template; sandboxes that were started from it stay. Throws `not_found`. */
  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: `/v1/snapshots/${encodeURIComponent(name)}`, signal });
  }
}
