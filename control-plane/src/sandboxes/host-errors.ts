import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { wrongState } from "./sandbox-errors.ts";
import type { SandboxLocations } from "./sandbox-locations.ts";
import type { SandboxLocation } from "./sandbox-store.ts";

/** What a host says of a sandbox that may have become another than the database has it for. */
const NEWS = ["not_found", "invalid_state", "guest_unreachable"] as const satisfies ErrorCode[];

/** Compares hosts with the database. */
export interface HostFollower {
  /** Compares a host at once; never rejects. */
  look(hostId: string): Promise<void>;
}

/** Reads what hosts answer calls about sandboxes with. */
export class HostErrors {
  readonly #locations: SandboxLocations;
  readonly #hosts: HostFollower;

  constructor(locations: SandboxLocations, hosts: HostFollower) {
    this.#locations = locations;
    this.#hosts = hosts;
  }

  /**
   * What an error of a sandbox's host means to the caller. A host that knows better than the database what has become of the
   * sandbox is followed, so that every later answer is the same as that of this call. `needed` are the states that the call
   * takes.
   */
  async explain(id: string, error: WarrenError, needed: SandboxStatus[]): Promise<WarrenError> {
    if (!(NEWS as readonly ErrorCode[]).includes(error.code)) return error;
    const followed = await this.followed(id);
    if (followed === undefined || needed.includes(followed.status)) return error;
    const wrong = wrongState(followed, needed);
    // Words about the state say how it came to that.
    return error.code === "invalid_state" ? new WarrenError(wrong.code, error.message) : wrong;
  }

  /** A sandbox after its host has been compared with the database; undefined when there is no such sandbox. */
  async followed(id: string): Promise<SandboxLocation | undefined> {
    const hostId = (await this.#locations.find(id))?.host?.id;
    if (hostId !== undefined) await this.#hosts.look(hostId);
    return this.#locations.findAnew(id);
  }
}
