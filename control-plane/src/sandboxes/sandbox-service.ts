import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import type { SandboxSpec } from "@warren/contracts/rest/sandbox-spec";
import type { CreateSandbox, SandboxFilters, SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import { type Actor, actorOf, type Caller } from "../callers/caller.ts";
import { isForeignKeyViolation } from "../database/foreign-key-violation.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { DetachedOperations, OperationSteps } from "../detached-operations.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import type { Demand } from "../hosts/placement-query.ts";
import { callHost, isNeverReached } from "../hosts/rpc-errors.ts";
import type { Scheduler } from "../hosts/scheduler.ts";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import type { Logger } from "../logging.ts";
import type { TemplateHosts } from "../templates/template-hosts.ts";
import type { TemplateRow, TemplateStore } from "../templates/template-store.ts";
import type { TemplateTransfers } from "../templates/template-transfers.ts";
import { hostnameOf } from "./guest-hostname.ts";
import type { SandboxAccess } from "./sandbox-access.ts";
import { sandboxNotFound } from "./sandbox-errors.ts";
import type { Page, PlaceInList, SandboxLists } from "./sandbox-lists.ts";
import type { SandboxQuota } from "./sandbox-quota.ts";
import type { SandboxReads } from "./sandbox-reads.ts";
import { nameTaken } from "./sandbox-settings.ts";
import { requestedSpec, specOf, storedSpec, toHostSpec } from "./sandbox-spec.ts";
import type { SandboxRow, SandboxStore } from "./sandbox-store.ts";
import type { SandboxOperation } from "./sandboxes-table.ts";

/** Milliseconds that a host has to start a sandbox; its own limits end a hanging boot earlier. */
const CREATE_TIMEOUT_MS = 180_000;
/** Milliseconds that a host has to destroy a sandbox. */
const DESTROY_TIMEOUT_MS = 60_000;
/** Sandboxes that were claimed together and are destroyed at the same time. */
const PARALLEL_DESTROYS = 8;
const PING_TIMEOUT_MS = 10_000;
/** Hosts that are asked to start a sandbox, at most. */
const MOST_HOSTS_ASKED = 4;
/** Errors that say that there is no other host. */
const NO_HOST: readonly ErrorCode[] = ["no_hosts_available", "host_unavailable", "host_full", "not_found"];
/** States in which nothing of a sandbox is left. */
const GONE: SandboxStatus[] = ["stopped"];

/** A sandbox and the host that is reserved for it. */
interface PlacedSandbox {
  row: SandboxRow;
  host: HostAddress;
}

/** What the service needs. */
export interface SandboxServiceParts {
  db: Db;
  store: SandboxStore;
  reads: SandboxReads;
  lists: SandboxLists;
  templates: TemplateStore;
  templateHosts: TemplateHosts;
  transfers: TemplateTransfers;
  quota: SandboxQuota;
  scheduler: Scheduler;
  hostClients: HostClientPool;
  access: SandboxAccess;
  operations: DetachedOperations;
  log: Logger;
}

/** The life of sandboxes: creation, look-up, destruction. */
export class SandboxService {
  readonly #parts: SandboxServiceParts;

  constructor(parts: SandboxServiceParts) {
    this.#parts = parts;
  }

  /** Creates a sandbox and resolves once it runs. It comes to its end, either way, also when nobody waits for it. */
  async create(caller: Caller, request: CreateSandbox): Promise<SandboxRow> {
    const { templates, operations } = this.#parts;
    return operations.run("create", {}, async (steps) => {
      const template = await templates.find(caller.teamId, request.template ?? BASE_TEMPLATE);
      return this.#create(caller, request, template, steps);
    });
  }

  /** Sandboxes of the caller's team that are not over, newest first. */
  async list(caller: Caller): Promise<readonly SandboxRow[]> {
    return this.#parts.reads.list(caller.teamId);
  }

  /** Sandboxes of the caller's team for which all filters hold, newest first; of those that are over, up to a limit. */
  async find(caller: Caller, filters: SandboxFilters): Promise<readonly SandboxRow[]> {
    return this.#parts.lists.find(caller.teamId, filters);
  }

  /** A page of them. */
  async page(caller: Caller, filters: SandboxFilters, place: PlaceInList): Promise<Page> {
    return this.#parts.lists.page(caller.teamId, filters, place);
  }

  async get(caller: Caller, id: string): Promise<SandboxRow> {
    const row = await this.#parts.reads.get(caller.teamId, id);
    if (!row) throw sandboxNotFound(id);
    return row;
  }

  /** Destroys a sandbox in any state; succeeds when it is gone already. */
  async destroy(caller: Caller, id: string): Promise<void> {
    const row = await this.get(caller, id);
    const by = actorOf(caller);
    return this.#parts.operations.run("destroy", { sandbox: id }, (steps) => this.#destroy(row, by, steps));
  }

  /** Takes all sandboxes of a team out of use, in the transaction that deletes the team; `endAll` destroys them. */
  async claimAll(teamId: string, by: Actor, transaction: Db): Promise<SandboxRow[]> {
    return this.#parts.store.claimAll(teamId, by, transaction);
  }

  /** Takes all sandboxes of a host, by UUID, out of use; `endAll` destroys them. */
  async claimAllOnHost(hostId: string, by: Actor, transaction: Db): Promise<SandboxRow[]> {
    return this.#parts.store.claimAllOnHost(hostId, by, transaction);
  }

  /** Notes, in the transaction that deletes a host, that nothing is left of the sandboxes that were claimed on it. */
  async forgetHost(hostId: string, transaction: Db): Promise<void> {
    await this.#parts.store.endOnHost(hostId, transaction);
  }

  /** Destroys sandboxes that are `stopping`. What a host cannot destroy at this time is destroyed when it can. */
  async endAll(claimed: SandboxRow[]): Promise<void> {
    const left = [...claimed];
    const next = async (): Promise<void> => {
      for (let row = left.pop(); row; row = left.pop()) {
        const claimed = row;
        const { id } = row;
        const end = this.#parts.operations.run("destroy", { sandbox: id }, (steps) => this.#end(claimed, steps));
        await end.catch((error: unknown) =>
          this.#parts.log.warn({ err: error, sandbox: id }, "a sandbox could not be destroyed yet"),
        );
      }
    };
    await this.#parts.operations.track(Promise.all(Array.from({ length: PARALLEL_DESTROYS }, next)));
  }

  /** Resets the inactivity timer. */
  async ping(caller: Caller, id: string): Promise<void> {
    await this.#parts.access.use(caller, id, ({ agent }) =>
      agent.pingSandbox({ sandboxId: id }, { timeoutMs: PING_TIMEOUT_MS }),
    );
  }

  async #create(
    caller: Caller,
    request: CreateSandbox,
    template: TemplateRow,
    steps: OperationSteps,
  ): Promise<SandboxRow> {
    const { scheduler, transfers } = this.#parts;
    let { row, host } = await steps.step("admission", () => this.#admit(caller, request, template));
    steps.note({ sandbox: row.id });
    const refusedBy: string[] = [];
    for (;;) {
      let hasTemplate = false;
      const destination = host;
      try {
        await steps.step("template", () => transfers.ensure(template, destination));
        hasTemplate = true;
        return await this.#start(row, host, request.env ?? {}, steps);
      } catch (error) {
        const reason = toCatalogueError(error);
        if (hasTemplate && isOfHost(reason)) scheduler.avoid(host.id);
        refusedBy.push(host.id);
        // Whatever keeps a template from one host may not keep it from the next.
        const next =
          !hasTemplate || mayGoElsewhere(reason) ? await this.#move(row, template, refusedBy, steps) : undefined;
        if (!next) {
          await this.#fail(row, reason);
          throw reason;
        }
        ({ row, host } = next);
      }
    }
  }

  /** Admits a sandbox and reserves its host; where no host is online, once more after those that can be have come online. */
  async #admit(caller: Caller, request: CreateSandbox, template: TemplateRow): Promise<PlacedSandbox> {
    try {
      return await this.#insert(caller, request, template);
    } catch (error) {
      const { code } = toCatalogueError(error);
      if (code !== "no_hosts_available" && code !== "host_unavailable") throw error;
      await this.#parts.scheduler.probe();
      return this.#insert(caller, request, template);
    }
  }

  /** Another host for a sandbox that hosts have refused; undefined when no other will do, or enough have been asked. */
  async #move(
    row: SandboxRow,
    template: TemplateRow,
    refusedBy: string[],
    steps: OperationSteps,
  ): Promise<PlacedSandbox | undefined> {
    const { db, store } = this.#parts;
    if (refusedBy.length >= MOST_HOSTS_ASKED) return undefined;
    const demands = (await this.#demandsOf(row.team_id, specOf(row), template)).map((one) => ({ ...one, refusedBy }));
    const move = transact(db, async (transaction) => {
      // Before another host: whoever changes a sandbox locks it first, and then what it takes of its host.
      await this.#unlessEnded(store.lock(row, transaction));
      const host = await this.#place(demands, transaction);
      const moved = await this.#unlessEnded(store.change(row, "pending", { host_id: host.id }, transaction));
      return { row: moved, host };
    });
    return steps
      .step("placement", () => move)
      .catch((error: unknown) => {
        if (NO_HOST.includes(toCatalogueError(error).code)) return undefined;
        throw error;
      });
  }

  async #insert(caller: Caller, request: CreateSandbox, template: TemplateRow): Promise<PlacedSandbox> {
    const { quota, store } = this.#parts;
    // A microVM that is restored has the shape that it had.
    const fixed = template.type === "snapshot" ? template : undefined;
    if (fixed) requireShape(request, fixed);
    const shape = fixed && { vcpus: fixed.vcpus, memory_mb: fixed.memory_mb };
    const spec = { ...requestedSpec(request), ...shape };
    const { name } = request;
    const demands = await this.#demandsOf(caller.teamId, spec, template);
    const inserted = quota.within(caller, async (transaction) => {
      await quota.admit(transaction, caller.teamId, { vcpus: spec.vcpus, memoryMb: spec.memory_mb });
      const host = await this.#place(demands, transaction);
      const row = {
        id: newSandboxId(),
        name: name ?? null,
        metadata: JSON.stringify(request.metadata ?? {}),
        team_id: caller.teamId,
        host_id: host.id,
        template_id: template.id,
        spec: storedSpec(spec),
        status: "pending" as const,
        lease_sec: request.lease_sec ?? null,
        operation: JSON.stringify({ action: "create", actor: actorOf(caller) } satisfies SandboxOperation),
      };
      return { row: await store.insert(row, transaction), host };
    });
    return inserted.catch((error: unknown) => {
      if (name !== undefined && isUniqueViolation(error)) throw nameTaken(name);
      if (!isForeignKeyViolation(error)) throw error;
      throw new WarrenError("conflict", "the host or the team of the sandbox was deleted meanwhile; try again");
    });
  }

  /** What a sandbox needs of its host, the first choice first: one that has its template, or one to which that can be brought. */
  async #demandsOf(teamId: string, spec: SandboxSpec, template: TemplateRow): Promise<Demand[]> {
    const { templateHosts, transfers } = this.#parts;
    const needed = { teamId, memoryMb: spec.memory_mb, tags: spec.host_tags };
    if (template.type === "base") return [needed];
    const hostIds = await templateHosts.hostsHolding(template.id);
    const having = { ...needed, holders: { hostIds, what: `the template "${template.name}"` } };
    return (await transfers.sources(template)).length > 0 ? [having, needed] : [having];
  }

  /** A host for the first of the demands that one meets; throws what is in the way of the first demand where none does. */
  async #place([first, ...others]: Demand[], transaction: Db): Promise<HostAddress> {
    const { scheduler } = this.#parts;
    try {
      return await scheduler.place(first!, transaction);
    } catch (error) {
      if (!NO_HOST.includes(toCatalogueError(error).code)) throw error;
      for (const demand of others) {
        try {
          return await scheduler.place(demand, transaction);
        } catch (refusal) {
          if (!NO_HOST.includes(toCatalogueError(refusal).code)) throw refusal;
        }
      }
      throw error;
    }
  }

  async #start(
    row: SandboxRow,
    host: HostAddress,
    env: Record<string, string>,
    steps: OperationSteps,
  ): Promise<SandboxRow> {
    const wanted = {
      sandboxId: row.id,
      teamId: row.team_id,
      spec: toHostSpec(specOf(row)),
      env,
      ...hostnameOf(row.name),
    };
    const agent = this.#parts.hostClients.agentOf(host);
    const start = () => callHost(() => agent.createSandbox(wanted, { timeoutMs: CREATE_TIMEOUT_MS }));
    const { sandbox } = await steps.step("host", start);
    const now = new Date();
    const fields = { host_ip: sandbox?.hostIp ?? "", started_at: now, last_active_at: now };
    return steps.step("record", () => this.#unlessEnded(this.#parts.store.begin(row, fields)));
  }

  /** Notes that a sandbox did not start, and has its host remove what may stand of it. */
  async #fail(row: SandboxRow, reason: WarrenError): Promise<void> {
    const { store, operations, log } = this.#parts;
    log.warn({ err: reason, sandbox: row.id }, "a sandbox did not start");
    await store.fail(row, reason.message);
    // The caller does not wait. What a silent host keeps is removed when it is compared with the database again.
    const removal = this.#destroyOnHost(row).catch((error: unknown) =>
      log.info({ err: error, sandbox: row.id }, "the host could not remove a sandbox that did not start"),
    );
    void operations.track(removal);
  }

  async #destroy(row: SandboxRow, by: Actor, steps: OperationSteps): Promise<void> {
    const stopping = await this.#claim(row, by);
    if (stopping) await this.#end(stopping, steps);
  }

  /** Ends a sandbox that is `stopping`. */
  async #end(stopping: SandboxRow, steps: OperationSteps): Promise<void> {
    try {
      await steps.step("host", () => this.#destroyOnHost(stopping));
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code !== "host_unavailable") throw error;
      throw new WarrenError("host_unavailable", "the sandbox's host does not answer; the sandbox ends once it does", {
        cause: error,
      });
    }
    await steps.step("record", () => this.#parts.store.change(stopping, "stopped", { host_ip: "" }));
  }

  /** Moves a sandbox to `stopping` whatever its state; undefined when it is gone. */
  async #claim(row: SandboxRow, by: Actor): Promise<SandboxRow | undefined> {
    for (let current: SandboxRow | undefined = row; current && !GONE.includes(current.status); ) {
      if (current.status === "stopping") return current;
      const claimed = await this.#parts.store.claim(current, by);
      if (claimed) return claimed;
      current = await this.#parts.store.find(row.team_id, row.id);
    }
    return undefined;
  }

  async #destroyOnHost(row: SandboxRow): Promise<void> {
    const { store, hostClients } = this.#parts;
    const location = await store.locate(row.id);
    const host = location?.host;
    if (!host) return;
    try {
      await callHost(() =>
        hostClients.agentOf(host).destroySandbox({ sandboxId: row.id }, { timeoutMs: DESTROY_TIMEOUT_MS }),
      );
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code !== "not_found") throw error;
    }
  }

  /** The row of a sandbox that is being created after a change; throws `conflict` when someone ended it meanwhile. */
  async #unlessEnded<Row>(change: Promise<Row | undefined>): Promise<Row> {
    const changed = await change;
    if (!changed) throw new WarrenError("conflict", "the sandbox was ended while it was being created");
    return changed;
  }
}

/** Whether an error tells of the host rather than of the sandbox: the next one would meet it too. */
function isOfHost({ code }: WarrenError): boolean {
  return code === "host_full" || code === "host_unavailable";
}

/**
 * Whether nothing of a sandbox can be on the host that could not start it, so that another may be asked: it said so, or was
 * never reached. After an answer that was lost, the sandbox might run on two.
 */
function mayGoElsewhere(reason: WarrenError): boolean {
  return reason.code === "host_full" || isNeverReached(reason);
}

/** Throws when a size is asked for that is not the one which a template fixes. */
function requireShape(request: CreateSandbox, template: TemplateRow): void {
  for (const field of ["vcpus", "memory_mb"] as const) {
    if (request[field] === undefined || request[field] === template[field]) continue;
    throw new WarrenError(
      "conflict",
      `body/${field} is ${request[field]}, and the template "${template.name}" goes on with the ${template[field]} of the ` +
        "sandbox that it was made of; leave the field out, or start from another template",
    );
  }
}
