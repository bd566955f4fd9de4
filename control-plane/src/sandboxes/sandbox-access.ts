import { WarrenError } from "@warren/contracts/errors";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { Caller } from "../callers/caller.ts";
import type { BatchedTimestamps } from "../database/batched-timestamps.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import { fromRpcError } from "../hosts/rpc-errors.ts";
import type { HostErrors } from "./host-errors.ts";
import { sandboxNotFound, wrongState } from "./sandbox-errors.ts";
import type { SandboxLocations } from "./sandbox-locations.ts";
import type { SandboxPausing } from "./sandbox-pausing.ts";
import type { SandboxLocation } from "./sandbox-store.ts";

/** States that a resume leads out of. */
const ASLEEP: SandboxStatus[] = ["paused", "resuming"];

export interface SandboxAccessParts {
  locations: SandboxLocations;
  hostClients: HostClientPool;
  activity: BatchedTimestamps;
  /** Resumes sandboxes that were made to be resumed by calls that need them. */
  pausing: SandboxPausing;
  errors: HostErrors;
}

/** Finds the host of a running sandbox for calls that use the sandbox. */
export class SandboxAccess {
  readonly #parts: SandboxAccessParts;

  constructor(parts: SandboxAccessParts) {
    this.#parts = parts;
  }

  /**
   * Uses a running sandbox of the caller's team, which counts as activity at the start and at the end. Throws
   * `not_found`, `invalid_state` or `host_unavailable` when it cannot be used, and errors of the catalogue only.
   */
  async use<T>(caller: Caller, id: string, action: (host: HostClient) => Promise<T>): Promise<T> {
    const { activity, locations, pausing } = this.#parts;
    let location = await this.#locate(caller, id);
    if (location.autoResume && ASLEEP.includes(location.status)) {
      await pausing.resume(caller, id);
      const resumed = await locations.findAnew(id);
      if (!resumed) throw sandboxNotFound(id);
      location = resumed;
    }
    const host = this.#hostOf(location);
    activity.touch(id);
    try {
      return await this.#act(id, host, action);
    } finally {
      activity.touch(id);
    }
  }

  /**
   * As {@link use}, to look at what is in a running sandbox: that is no activity, and resumes none. A page that is open asks
   * again and again.
   */
  async look<T>(caller: Caller, id: string, action: (host: HostClient) => Promise<T>): Promise<T> {
    return this.#act(id, this.#hostOf(await this.#locate(caller, id)), action);
  }

  async #locate(caller: Caller, id: string): Promise<SandboxLocation> {
    const location = await this.#parts.locations.find(id);
    if (!location || location.teamId !== caller.teamId) throw sandboxNotFound(id);
    return location;
  }

  #hostOf(location: SandboxLocation): HostClient {
    if (location.status !== "running") throw wrongState(location, ["running"]);
    if (!location.host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    return this.#parts.hostClients.clientOf(location.host);
  }

  async #act<T>(id: string, host: HostClient, action: (host: HostClient) => Promise<T>): Promise<T> {
    try {
      return await action(host);
    } catch (error) {
      throw await this.#parts.errors.explain(id, fromRpcError(error), ["running"]);
    }
  }
}
