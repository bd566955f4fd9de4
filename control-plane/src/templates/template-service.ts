import { randomBytes, randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { TemplateInfo } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { BUILT_IN_TEAM } from "@warren/contracts/identifiers";
import type { SandboxReason, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { CreateTemplate } from "@warren/contracts/rest/templates";
import type { TeamEvents } from "../audit/team-events.ts";
import { type Actor, actorOf, type Caller } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { DetachedOperations, OperationSteps } from "../detached-operations.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import type { Logger } from "../logging.ts";
import type { TemplateDeletions } from "./template-deletions.ts";
import type { TemplateHosts } from "./template-hosts.ts";
import type { TemplateRow, TemplateStore } from "./template-store.ts";

/** Milliseconds that a host has to make a template, and to remove one that is not kept. */
const CREATE_TIMEOUT_MS = 300_000;
const DELETE_TIMEOUT_MS = 60_000;

/** Where a sandbox is of which a template is to be made. */
export interface TemplateSource {
  status: SandboxStatus;
  /** Why it has this status, when its user did not ask for it. */
  reason: SandboxReason | null;
  host: HostAddress | null;
}

/** States in which a template can be made of a sandbox. */
const SOURCE_STATUSES: SandboxStatus[] = ["running", "paused"];

/** The sandboxes that templates are made of. */
export interface TemplateSources {
  /** Looks a sandbox of a team up; throws `not_found`. */
  locate(teamId: string, id: string): Promise<TemplateSource>;
  /** The error for a sandbox in a state that is none of those needed. */
  wrongState(sandbox: TemplateSource, needed: SandboxStatus[]): WarrenError;
  /** What an error of its host means. */
  explain(id: string, error: WarrenError, needed: SandboxStatus[]): Promise<WarrenError>;
}

/** Decides whether a team may have one more template, or another in the place of one of `replacedBytes`. */
export interface TemplateQuota {
  /** Runs a change in a transaction, in which `admitTemplate` is called; a refusal is recorded. */
  within<T>(caller: Caller, change: (transaction: Db) => Promise<T>): Promise<T>;
  admitTemplate(transaction: Db, teamId: string, replacedBytes?: number): Promise<void>;
}

export interface TemplateServiceParts {
  db: Db;
  store: TemplateStore;
  templateHosts: TemplateHosts;
  deletions: TemplateDeletions;
  quota: TemplateQuota;
  hostClients: HostClientPool;
  operations: DetachedOperations;
  sandboxes: TemplateSources;
  audit: TeamEvents;
  log: Logger;
}

/** Templates: names under which a team starts sandboxes. */
export class TemplateService {
  readonly #parts: TemplateServiceParts;

  constructor(parts: TemplateServiceParts) {
    this.#parts = parts;
  }

  /** A team's own templates and the built-in ones. */
  list(teamId: string, type?: "base" | "snapshot"): Promise<TemplateRow[]> {
    return this.#parts.store.list(teamId, type);
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. */
  async create(caller: Caller, request: CreateTemplate, overwrite: boolean): Promise<TemplateRow> {
    const { store, operations, sandboxes } = this.#parts;
    const { teamId } = caller;
    const sandbox = await sandboxes.locate(teamId, request.sandbox_id);
    if (!SOURCE_STATUSES.includes(sandbox.status)) throw sandboxes.wrongState(sandbox, SOURCE_STATUSES);
    const { host } = sandbox;
    if (!host) throw new WarrenError("host_unavailable", "the sandbox has no host");
    const name = request.name ?? `template-${randomBytes(4).toString("hex")}`;
    if (await store.findExact(BUILT_IN_TEAM, name)) {
      throw new WarrenError("conflict", `${name} is a built-in template; choose another name`);
    }
    const former = await store.findExact(teamId, name);
    if (former && !overwrite) throw alreadyExists(name);
    return operations.run("snapshot", { sandbox: request.sandbox_id }, (steps) =>
      this.#create(caller, request.sandbox_id, name, host, former, overwrite, steps),
    );
  }

  /**
   * Removes a template. Sandboxes that were started from it are not affected. Hosts that do not answer remove their files of
   * it once they do.
   */
  async delete(caller: Caller, name: string): Promise<void> {
    const { store, operations } = this.#parts;
    const template = await store.findExact(caller.teamId, name);
    if (!template) {
      if (await store.findExact(BUILT_IN_TEAM, name)) {
        throw new WarrenError("forbidden", `${name} is a built-in template and cannot be deleted`);
      }
      throw new WarrenError("not_found", `there is no template "${name}"`);
    }
    await operations.track(this.#delete(actorOf(caller), template));
  }

  /** Removes the templates of a deleted team. */
  async deleteAll(teamId: string, by: Actor): Promise<void> {
    const { store, log } = this.#parts;
    for (const template of await store.listOwn(teamId)) {
      await this.#delete(by, template).catch((error: unknown) =>
        log.warn({ err: error, template: template.name }, "a template of a deleted team could not be removed"),
      );
    }
  }

  async #create(
    caller: Caller,
    sandboxId: string,
    name: string,
    host: HostAddress,
    former: TemplateRow | undefined,
    overwrite: boolean,
    steps: OperationSteps,
  ): Promise<TemplateRow> {
    const { store, quota, hostClients, templateHosts, deletions, sandboxes, audit } = this.#parts;
    const { teamId } = caller;
    const admit = (transaction: Db) => quota.admitTemplate(transaction, teamId, former && Number(former.size_bytes));
    await steps.step("admission", () => quota.within(caller, admit));
    const agent = hostClients.agentOf(host);
    // What the host has under the name and is to remove is in nobody's way.
    const replaces = overwrite || (await deletions.isOpen(host.id, teamId, name));
    const request = { sandboxId, teamId, name, overwrite: replaces };
    const make = () => callHost(() => agent.createTemplate(request, { timeoutMs: CREATE_TIMEOUT_MS }));
    const { template } = await steps.step("host", make).catch(async (error: WarrenError) => {
      throw await sandboxes.explain(sandboxId, error, SOURCE_STATUSES);
    });
    if (!template) throw new WarrenError("agent_error", "the host made no template");
    try {
      // Asked again, now for good: others may have made templates meanwhile.
      const put = async (transaction: Db) => {
        await admit(transaction);
        const replaced = overwrite ? await store.findExact(teamId, name, transaction) : undefined;
        const others = replaced ? await deletions.note(replaced.id, transaction, host.id) : [];
        const row = await store.put(rowOf(teamId, name, sandboxId, template), overwrite, transaction);
        if (!row) throw alreadyExists(name);
        await templateHosts.add(row.id, host.id, transaction);
        await deletions.settle(host.id, teamId, name, transaction);
        const about = { sandbox: sandboxId, overwrote: former !== undefined };
        await audit.snapshotCreated(transaction, caller, name, about);
        return { row, others };
      };
      const { row, others } = await steps.step("record", () => quota.within(caller, put));
      this.#carryOut(others);
      return row;
    } catch (error) {
      // A template that nobody can find must not stay; another call may have made it known under this name meanwhile.
      if (!(await store.findExact(teamId, name))) {
        const unknown = { teamId, name, snapshotId: template.snapshotId };
        await agent.deleteTemplate(unknown, { timeoutMs: DELETE_TIMEOUT_MS }).catch(() => undefined);
      }
      throw error;
    }
  }

  async #delete(by: Actor, template: TemplateRow): Promise<void> {
    const { db, store, deletions, audit } = this.#parts;
    const holders = await transact(db, async (transaction) => {
      const holding = await deletions.note(template.id, transaction);
      if (await store.remove(template, transaction)) await audit.snapshotDeleted(transaction, by, template);
      return holding;
    });
    await this.#carryOut(holders);
  }

  /** Has hosts remove what they are to remove now, as far as they answer. */
  #carryOut(hosts: HostAddress[]): Promise<unknown> {
    const { operations, deletions } = this.#parts;
    return operations.track(Promise.all(hosts.map((host) => deletions.carryOut(host))));
  }
}

function rowOf(teamId: string, name: string, sourceId: string, info: TemplateInfo) {
  return {
    id: randomUUID(),
    team_id: teamId,
    name,
    type: "snapshot" as const,
    vcpus: info.vcpus,
    memory_mb: info.memoryMb,
    size_bytes: Number(info.sizeBytes),
    snapshot_id: info.snapshotId || null,
    bundle: null,
    source_id: sourceId,
    created_at: new Date(Number(info.createdAtUnixMs)),
  };
}

function alreadyExists(name: string): WarrenError {
  return new WarrenError(
    "already_exists",
    `there is a template "${name}" already; ask to overwrite it, or choose another name`,
  );
}
