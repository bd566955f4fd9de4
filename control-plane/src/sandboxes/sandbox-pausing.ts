import { WarrenError } from "@warren/contracts/errors";
import type { SandboxInfo } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { SandboxReason, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { actorOf, type Caller, SYSTEM } from "../callers/caller.ts";
import type { DetachedOperations, OperationSteps } from "../detached-operations.ts";
import type { HostAgent } from "../hosts/host-client.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import type { HostErrors } from "./host-errors.ts";
import { reasonOfPause } from "./reasons.ts";
import { pausedFields } from "./reported-fields.ts";
import { sandboxNotFound, wrongState } from "./sandbox-errors.ts";
import type { SandboxQuota } from "./sandbox-quota.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";
import { specOf } from "./sandbox-spec.ts";
import type { SandboxRow, SandboxStore, StatusFields } from "./sandbox-store.ts";
import type { SandboxOperation } from "./sandboxes-table.ts";

/** Milliseconds that a host has to pause or resume a sandbox, whatever the size of its memory. */
const CALL_TIMEOUT_MS = 300_000;
/** Times that a row may change under an operation before it gives up. */
const ATTEMPTS = 5;

export interface SandboxPausingParts {
  store: SandboxStore;
  quota: SandboxQuota;
  hostClients: HostClientPool;
  errors: HostErrors;
  settings: SandboxSettings;
  operations: DetachedOperations;
}

/** One of the two directions. */
interface Step {
  from: SandboxStatus;
  during: SandboxStatus;
  to: SandboxStatus;
  /** Takes the row into the state meanwhile; undefined when it changed under the operation. */
  claim(row: SandboxRow): Promise<SandboxRow | undefined>;
  call(agent: HostAgent, id: string): Promise<SandboxInfo | undefined>;
  /** What is noted of `row`, once it has come to its goal. */
  fields(info: SandboxInfo | undefined, row: SandboxRow): StatusFields;
}

/**
 * Pauses and resumes sandboxes. Both come to their end also when nobody waits; asking for what is under way joins it,
 * and asking for what is done succeeds.
 */
export class SandboxPausing {
  readonly #parts: SandboxPausingParts;

  constructor(parts: SandboxPausingParts) {
    this.#parts = parts;
  }

  pause(caller: Caller, id: string): Promise<SandboxRow> {
    return this.#toPaused(caller.teamId, id, { action: "pause", actor: actorOf(caller) }, pauseOn);
  }

  /** Pauses a sandbox though nobody asks for it. */
  pauseFor(teamId: string, id: string, reason: SandboxReason): Promise<SandboxRow> {
    return this.#toPaused(teamId, id, { action: "pause", actor: SYSTEM, reason }, pauseOn);
  }

  /** Gives up what a running sandbox did since its last pause, to which it returns; a paused one stays as it is. */
  rollback(caller: Caller, id: string): Promise<SandboxRow> {
    return this.#toPaused(caller.teamId, id, { action: "rollback", actor: actorOf(caller) }, (agent, request) =>
      agent.rollbackSandbox(request, { timeoutMs: CALL_TIMEOUT_MS }),
    );
  }

  /** `timeoutSec` replaces the timeout of the sandbox, also of one that runs already. */
  async resume(caller: Caller, id: string, timeoutSec?: number): Promise<SandboxRow> {
    const { operations } = this.#parts;
    return operations.run("resume", { sandbox: id }, (steps) => this.#resume(caller, id, timeoutSec, steps));
  }

  #toPaused(
    teamId: string,
    id: string,
    operation: SandboxOperation & { action: "pause" | "rollback" },
    call: typeof pauseOn,
  ): Promise<SandboxRow> {
    const step: Step = {
      from: "running",
      during: "pausing",
      to: "paused",
      claim: (row) => this.#parts.store.change(row, "pausing", { operation }),
      call: async (agent, sandboxId) => (await call(agent, { sandboxId })).sandbox,
      fields: (info, row) => pausedFields(info, reasonOfPause(row.operation ?? operation)),
    };
    const { operations } = this.#parts;
    return operations.run(operation.action, { sandbox: id }, (steps) => this.#perform(teamId, id, step, steps));
  }

  async #resume(
    caller: Caller,
    id: string,
    timeoutSec: number | undefined,
    steps: OperationSteps,
  ): Promise<SandboxRow> {
    const timeout = timeoutSec === undefined ? {} : { timeoutSec };
    const step: Step = {
      from: "paused",
      during: "resuming",
      to: "running",
      claim: (paused) => this.#admit(caller, paused, timeoutSec),
      call: async (agent, sandboxId) =>
        (await agent.resumeSandbox({ sandboxId, ...timeout }, { timeoutMs: CALL_TIMEOUT_MS })).sandbox,
      fields: (info) => ({
        host_ip: info?.hostIp ?? "",
        started_at: new Date(),
        last_active_at: new Date(),
        reason: null,
      }),
    };
    const location = await this.#parts.store.locate(id);
    if (location?.teamId === caller.teamId && location.host?.status === "offline") {
      throw new WarrenError(
        "host_unavailable",
        "the sandbox's host is out of service until its operator brings it back",
      );
    }
    const row = await this.#perform(caller.teamId, id, step, steps);
    if (timeoutSec === undefined || specOf(row).timeout_sec === timeoutSec) return row;
    return this.#parts.settings.update(caller, id, { timeout_sec: timeoutSec });
  }

  async #perform(teamId: string, id: string, step: Step, steps: OperationSteps): Promise<SandboxRow> {
    const { store } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const row = await store.find(teamId, id);
      if (!row) throw sandboxNotFound(id);
      if (row.status === step.to) {
        // What its host has done since is noted, and told, before it is undone.
        const followed = await steps.step("host", () => this.#parts.errors.followed(id));
        if (followed?.status !== step.to) continue;
        return steps.step("host", () => this.#confirm(row, step));
      }
      if (row.status !== step.from && row.status !== step.during) throw wrongState(row, [step.from]);
      const claimed = row.status === step.during ? row : await steps.step("admission", () => step.claim(row));
      if (!claimed) continue;
      const changed = await this.#call(claimed, step, steps);
      if (changed) return changed;
    }
    throw new WarrenError("conflict", "the sandbox is being changed by other calls; try again");
  }

  /**
   * Asks for what the database says is done: a host may have changed it at this moment, or hold a microVM back for want of
   * memory. What has become of the sandbox of a silent host is found out when that answers.
   */
  async #confirm(row: SandboxRow, step: Step): Promise<SandboxRow> {
    const { store, errors } = this.#parts;
    try {
      const agent = await this.#agentOf(row);
      await callHost(() => step.call(agent, row.id));
    } catch (error) {
      const reason = toCatalogueError(error);
      if (reason.code === "host_unavailable") return row;
      throw await errors.explain(row.id, reason, [step.from, step.to]);
    }
    return (await store.find(row.team_id, row.id)) ?? row;
  }

  /** Undefined when another call, which the host has joined with this one, was first to note the result. */
  async #call(row: SandboxRow, step: Step, steps: OperationSteps): Promise<SandboxRow | undefined> {
    const { store, errors } = this.#parts;
    try {
      const agent = await this.#agentOf(row);
      const info = await steps.step("host", () => callHost(() => step.call(agent, row.id)));
      return await steps.step("record", () => store.change(row, step.to, step.fields(info, row)));
    } catch (error) {
      // The host is back in the former state. One that does not answer is compared with the database when it does.
      const reason = toCatalogueError(error);
      if (reason.code !== "host_unavailable") await store.change(row, step.from);
      throw await errors.explain(row.id, reason, [step.from]);
    }
  }

  /** A resumed sandbox uses its team's quota again. */
  #admit(caller: Caller, row: SandboxRow, timeoutSec: number | undefined): Promise<SandboxRow | undefined> {
    const { quota, store } = this.#parts;
    return quota.within(caller, async (transaction) => {
      await quota.admit(transaction, row.team_id, { vcpus: row.vcpus, memoryMb: row.memory_mb });
      const operation: SandboxOperation = { action: "resume", actor: actorOf(caller) };
      const fields = { operation, ...(timeoutSec !== undefined && { settings: { timeout_sec: timeoutSec } }) };
      return store.change(row, "resuming", fields, transaction);
    });
  }

  async #agentOf(row: SandboxRow): Promise<HostAgent> {
    const location = await this.#parts.store.locate(row.id);
    if (!location?.host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    return this.#parts.hostClients.agentOf(location.host);
  }
}

function pauseOn(agent: HostAgent, request: { sandboxId: string }): Promise<{ sandbox?: SandboxInfo | undefined }> {
  return agent.pauseSandbox(request, { timeoutMs: CALL_TIMEOUT_MS });
}
