import { WarrenError } from "@warren/contracts/errors";
import type { SandboxSettings as Settings } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxStatus, UpdateSandbox } from "@warren/contracts/rest/sandboxes";
import { actorOf, type Caller } from "../callers/caller.ts";
import { FINAL } from "../database/live-sandboxes.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { DetachedOperations } from "../detached-operations.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import type { HostErrors } from "./host-errors.ts";
import { sandboxNotFound, wrongState } from "./sandbox-errors.ts";
import { toHostSpec } from "./sandbox-spec.ts";
import type { SandboxRow, SandboxStore } from "./sandbox-store.ts";

/** Milliseconds that a host has to change the settings of a sandbox, which may be in the middle of a pause. */
const CALL_TIMEOUT_MS = 300_000;
/** States in which a host has a sandbox whose settings it can change. */
const ON_HOST: SandboxStatus[] = ["running", "pausing", "paused", "resuming"];
/** States in which a sandbox is, or will be, over. */
const OVER: SandboxStatus[] = ["stopping", ...FINAL];
/** States that calls are told to wait for. */
const NEEDED: SandboxStatus[] = ["running", "paused"];

export interface SandboxSettingsParts {
  store: SandboxStore;
  hostClients: HostClientPool;
  errors: HostErrors;
  operations: DetachedOperations;
}

/** Changes what may change of a sandbox while it lives. */
export class SandboxSettings {
  readonly #parts: SandboxSettingsParts;

  constructor(parts: SandboxSettingsParts) {
    this.#parts = parts;
  }

  /** Changes what the request names. Comes to its end also when nobody waits. */
  async update(caller: Caller, id: string, changes: UpdateSandbox): Promise<SandboxRow> {
    return this.#parts.operations.track(this.#update(caller, id, changes));
  }

  async #update(caller: Caller, id: string, changes: UpdateSandbox): Promise<SandboxRow> {
    const { store } = this.#parts;
    const { teamId } = caller;
    const row = await store.find(teamId, id);
    if (!row) throw sandboxNotFound(id);
    if (OVER.includes(row.status)) throw wrongState(row, NEEDED);
    const { name, metadata, lease_sec, ...hosted } = changes;
    // Known before anything is changed; the index in the database decides between two who ask at once.
    if (name != null && name !== row.name && (await store.hasName(teamId, name))) throw nameTaken(name);
    if (Object.keys(hosted).length > 0) await this.#updateOnHost(row, hosted);
    const fields = {
      ...(Object.keys(hosted).length > 0 && { settings: hosted }),
      ...(name === undefined ? {} : { name }),
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(metadata) }),
      ...(lease_sec === undefined ? {} : { lease_sec }),
    };
    try {
      // A lease is renewed all the time.
      const told = Object.keys(changes).filter((field) => field !== "lease_sec");
      const changed = await store.updateSettings(id, fields, actorOf(caller), told);
      if (!changed) throw new WarrenError("invalid_state", "the sandbox has ended meanwhile");
      return changed;
    } catch (error) {
      throw isUniqueViolation(error) && name ? nameTaken(name) : error;
    }
  }

  /** The host acts by these settings. Should the database not follow, it does so when it is compared with the host. */
  async #updateOnHost(row: SandboxRow, changes: Partial<Settings>): Promise<void> {
    if (!ON_HOST.includes(row.status)) {
      throw new WarrenError(
        "invalid_state",
        `the sandbox is ${row.status}, and this needs it to be running or paused; name, metadata and lease can be changed`,
      );
    }
    const location = await this.#parts.store.locate(row.id);
    if (!location?.host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    const agent = this.#parts.hostClients.agentOf(location.host);
    const request = { sandboxId: row.id, spec: toHostSpec(changes) };
    await callHost(() => agent.updateSandbox(request, { timeoutMs: CALL_TIMEOUT_MS })).catch(
      async (error: WarrenError) => {
        throw await this.#parts.errors.explain(row.id, error, NEEDED);
      },
    );
  }
}

/** The error for a name that another live sandbox of the team has. */
export function nameTaken(name: string): WarrenError {
  return new WarrenError("already_exists", `a sandbox of this team is called ${name} already`);
}
