import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import type { ForkResult as HostResult } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { newSandboxId } from "@warren/server/sandbox-id";
import { actorOf, type Caller } from "../callers/caller.ts";
import type { DetachedOperations, OperationSteps } from "../detached-operations.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import type { HostErrors } from "./host-errors.ts";
import { sandboxNotFound, wrongState } from "./sandbox-errors.ts";
import type { SandboxQuota } from "./sandbox-quota.ts";
import { specOf, storedSpec } from "./sandbox-spec.ts";
import type { SandboxRow, SandboxStore } from "./sandbox-store.ts";
import type { SandboxOperation } from "./sandboxes-table.ts";

/** Milliseconds that a host has to copy a sandbox. */
const FORK_TIMEOUT_MS = 300_000;

export interface SandboxForksParts {
  store: SandboxStore;
  quota: SandboxQuota;
  hostClients: HostClientPool;
  errors: HostErrors;
  operations: DetachedOperations;
}

/** Copies running sandboxes. */
export class SandboxForks {
  readonly #parts: SandboxForksParts;

  constructor(parts: SandboxForksParts) {
    this.#parts = parts;
  }

  /** Starts `count` copies from one stop of a running sandbox, which goes on. Gives each copy, or why there is none. */
  async fork(caller: Caller, id: string, count: number): Promise<(SandboxRow | WarrenError)[]> {
    const { store, operations } = this.#parts;
    const parent = await store.find(caller.teamId, id);
    if (!parent) throw sandboxNotFound(id);
    if (parent.status !== "running") throw wrongState(parent, ["running"]);
    const host = (await store.locate(id))?.host;
    if (!host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    if (host.status === "draining" || host.status === "offline") {
      const message =
        "the sandbox's host takes no new sandboxes, and so no copies: its operator takes it out of service";
      throw new WarrenError("host_unavailable", message);
    }
    const about = { sandbox: id, copies: count };
    return operations.run("fork", about, (steps) => this.#fork(caller, parent, host, count, steps));
  }

  async #fork(
    caller: Caller,
    parent: SandboxRow,
    host: HostAddress,
    count: number,
    steps: OperationSteps,
  ): Promise<(SandboxRow | WarrenError)[]> {
    const rows = await steps.step("admission", () => this.#insert(caller, parent, host, count));
    let results: HostResult[];
    try {
      const request = { sandboxId: parent.id, forkIds: rows.map(({ id }) => id) };
      const agent = this.#parts.hostClients.agentOf(host);
      const fork = () => callHost(() => agent.forkSandbox(request, { timeoutMs: FORK_TIMEOUT_MS }));
      ({ results } = await steps.step("host", fork));
    } catch (error) {
      const reason = toCatalogueError(error);
      await Promise.all(rows.map((row) => this.#parts.store.fail(row, reason.message)));
      throw await this.#parts.errors.explain(parent.id, reason, ["running"]);
    }
    const byId = new Map(results.map((result) => [result.sandboxId, result]));
    return steps.step("record", () => Promise.all(rows.map((row) => this.#settle(row, byId.get(row.id)))));
  }

  /** Rows for all copies, or for none when they exceed the team's quota. */
  async #insert(caller: Caller, parent: SandboxRow, host: HostAddress, count: number): Promise<SandboxRow[]> {
    const { quota, store } = this.#parts;
    const { team_id, vcpus, memory_mb, template_id } = parent;
    const spec = storedSpec(specOf(parent));
    const metadata = JSON.stringify(parent.metadata);
    const begun: SandboxOperation = { action: "fork", actor: actorOf(caller), source: parent.id };
    const operation = JSON.stringify(begun);
    return quota.within(caller, async (transaction) => {
      const rows: SandboxRow[] = [];
      for (let index = 0; index < count; index++) {
        await quota.admit(transaction, team_id, { vcpus, memoryMb: memory_mb });
        const shared = { team_id, template_id, forked_from: parent.id, spec, metadata, operation };
        const row = { ...shared, id: newSandboxId(), host_id: host.id, status: "starting" as const };
        rows.push(await store.insert(row, transaction));
      }
      return rows;
    });
  }

  async #settle(row: SandboxRow, answer: HostResult | undefined): Promise<SandboxRow | WarrenError> {
    const { store } = this.#parts;
    const { result } = answer ?? {};
    if (result?.case === "sandbox") {
      const now = new Date();
      const fields = { host_ip: result.value.hostIp, started_at: now, last_active_at: now };
      return (
        (await store.begin(row, fields)) ?? new WarrenError("conflict", "the copy was ended while it was being made")
      );
    }
    const { code = "agent_error", message = "the host said nothing of this copy" } = result?.value ?? {};
    await store.fail(row, message);
    return new WarrenError(isErrorCode(code) ? code : "agent_error", message);
  }
}
