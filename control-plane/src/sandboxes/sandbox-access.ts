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
    const { activity, errors } = this.#parts;
    const host = await this.#find(caller, id);
    activity.touch(id);
    try {
      return await action(host);
    } catch (error) {
      throw await errors.explain(id, fromRpcError(error), ["running"]);
    } finally {
      activity.touch(id);
    }
  }

  async #find(caller: Caller, id: string): Promise<HostClient> {
    const { locations, pausing, hostClients } = this.#parts;
    let location = await locations.find(id);
    if (!location || location.teamId !== caller.teamId) throw sandboxNotFound(id);
    if (location.autoResume && ASLEEP.includes(location.status)) {
      await pausing.resume(caller, id);
      location = await locations.findAnew(id);
      if (!location) throw sandboxNotFound(id);
    }
    if (location.status !== "running") throw wrongState(location, ["running"]);
    if (!location.host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    return hostClients.clientOf(location.host);
  }
}
