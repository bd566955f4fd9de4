import { WarrenError } from "@warren/contracts/errors";
import { type EndedOperation, logOperation } from "@warren/server/operation-timing";
import type { Template } from "../templates/store.ts";
import type { TemplateSource } from "../templates/transfer/download.ts";
import type { TemplateName } from "../templates/transfer/fetcher.ts";
import { assemble, type SandboxAssembly, type SandboxParts } from "./assembly.ts";
import type { Collected, LedgerCursor } from "./metrics/ledger.ts";
import { type NewSandbox, requireSandboxId } from "./record/new-sandbox.ts";
import type { SandboxReason } from "./record/reason.ts";
import type { SandboxSettings } from "./record/spec.ts";
import { type Leftover, recover } from "./recovery.ts";
import type { Sandbox } from "./state/sandbox.ts";
import { type HostUsage, readUsage } from "./usage.ts";
import { pauseAll } from "./watch/pause-all.ts";

/** Milliseconds for which operations may wait for a guest once the host agent ends, which has half a minute for all of it. */
const END_GRACE_MS = 10_000;

/** What the creation of a sandbox is called that nobody has asked for yet. */
const MAKE_READY = "make_ready";

/** The sandboxes of one host: every operation on them, one at a time for each. */
export class SandboxService {
  readonly #parts: SandboxParts;
  readonly #assembly: SandboxAssembly;
  /** Aborts when no guest is waited for any more. */
  readonly #ending = new AbortController();
  /** What of an earlier host agent could not be cleared away, and no caller knows. */
  #leftovers: Leftover[] = [];
  /** Told of each operation on a sandbox that did something. */
  onOperation: (ended: EndedOperation) => void = () => undefined;

  constructor(parts: SandboxParts) {
    this.#parts = parts;
    this.#assembly = assemble(parts, this.#ending.signal);
    this.#assembly.registry.onOperation = (sandbox, ended) => this.#note(sandbox, ended);
  }

  /** Takes up what an earlier host agent left. Must end before the first call of another method. */
  async recover(): Promise<void> {
    const { meter, guard, templateFetcher } = this.#assembly;
    await meter.open();
    this.#leftovers = await recover({ ...this.#parts, ...this.#assembly });
    await templateFetcher.removeDebris(this.imagesInUse());
    guard.start();
    meter.start();
  }

  /** Sandboxes that belong to callers. */
  list(): Sandbox[] {
    return this.#assembly.registry.list();
  }

  /** Sandboxes that have ended by themselves, and wait for the destroy that says that their owner knows. */
  stopped(): Sandbox[] {
    return this.#assembly.registry.stopped();
  }

  /** What the sandboxes take at this moment of what they may, and what became of calls so far. */
  usage(): Promise<HostUsage> {
    return readUsage(this.#parts, this.#assembly);
  }

  /** Ids of sandboxes that changed though no call asked for it; the first answer comes at once and is empty. */
  watch(signal: AbortSignal): AsyncIterable<string[]> {
    return this.#assembly.registry.changes.watch(signal);
  }

  /** What sandboxes have used, as far as it was not acknowledged. */
  collectMetrics(acknowledged: LedgerCursor | undefined): Collected {
    return this.#assembly.meter.collect(acknowledged);
  }

  /** The sandbox with this id, or `not_found`. */
  get(id: string): Sandbox {
    return this.#assembly.registry.get(id);
  }

  /** The sandbox with this id for a call that needs it to run; resumes it when it is paused and was made for that. */
  async awake(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    const asleep = sandbox.status === "paused" || sandbox.status === "pausing";
    if (asleep && sandbox.record.spec.autoResume) await this.resume(id);
    return sandbox;
  }

  /** Starts a sandbox from a template. The id of one that exists is refused with `already_exists`. */
  async create(request: NewSandbox): Promise<Sandbox> {
    const { registry, starter, templateMaker, warmPool } = this.#assembly;
    requireSandboxId(request.id);
    registry.requireFree(request.id);
    const sandbox = await starter.startFromTemplate(request);
    const { snapshot, spec } = sandbox.record;
    if (snapshot && templateMaker.isInUse(snapshot)) warmPool.want(snapshot, spec.memoryMb);
    return sandbox;
  }

  /** Makes a sandbox of the built-in template ready for a request that is about to come. Never rejects. */
  async prepare(size: { vcpus: number; memoryMb: number }): Promise<void> {
    if (this.#parts.coldBoot) return;
    try {
      this.#assembly.warmPool.prepare(await this.#assembly.baseTemplateMaker.snapshot(size));
    } catch (error) {
      // Whoever asks for it meets the same error.
      this.#parts.log.warn({ err: error }, "no sandbox could be prepared");
    }
  }

  /** Ends a sandbox in any state; one that is gone already is not an error. */
  async destroy(id: string): Promise<void> {
    const sandbox = this.#assembly.registry.find(id);
    if (!sandbox) return;
    const reason = new WarrenError("not_found", `sandbox ${id} was destroyed`);
    await sandbox.lifecycle.perform("destroy", () => this.#assembly.remover.remove(sandbox, reason));
  }

  /** Writes a running sandbox to disk and frees its microVM; does nothing when it is paused. On a failure it runs on. */
  async pause(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("pause", async () => {
      if (sandbox.status === "paused") return;
      sandbox.requireRunning();
      await this.#assembly.pauser.pause(sandbox);
    });
    return sandbox;
  }

  /** Changes settings of a sandbox. A change of the timeout counts as activity: its time begins anew. */
  async update(id: string, settings: Partial<SandboxSettings>): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("update", async () => {
      sandbox.lifecycle.require("running", "paused");
      const spec = { ...sandbox.record.spec, ...settings };
      await this.#parts.journal.write({ ...sandbox.record, spec });
      sandbox.record.spec = spec;
      if (settings.timeoutSec === undefined) return;
      sandbox.touch();
      if (sandbox.lifecycle.status === "running") this.#assembly.inactivity.watch(sandbox);
    });
    return sandbox;
  }

  /**
   * Continues a paused sandbox where it stood; one that runs goes on, with the timeout if it is given. On a failure it
   * stays paused.
   */
  async resume(id: string, timeoutSec?: number): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("resume", async () => {
      if (sandbox.held) return this.#assembly.guard.resume(sandbox);
      if (sandbox.lifecycle.status === "running") return;
      sandbox.lifecycle.require("paused");
      await this.#assembly.pauser.resume(sandbox, timeoutSec);
    });
    if (timeoutSec === undefined || sandbox.record.spec.timeoutSec === timeoutSec) return sandbox;
    return this.update(id, { timeoutSec });
  }

  /** Gives up what a running sandbox did since its last pause, which it returns to; does nothing when it is paused. */
  async rollback(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("rollback", async () => {
      if (sandbox.lifecycle.status === "paused") return;
      sandbox.lifecycle.require("running");
      await this.#assembly.pauser.rollback(sandbox);
    });
    return sandbox;
  }

  /** Starts copies of a running sandbox from one stop of it. Gives each copy, or the reason why there is none. */
  async fork(id: string, forkIds: readonly string[]): Promise<(Sandbox | WarrenError)[]> {
    return this.#assembly.forker.fork(this.get(id), forkIds);
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. */
  async createTemplate(id: string, teamId: string, name: string, overwrite: boolean): Promise<Template> {
    return this.#assembly.templateMaker.make(this.get(id), teamId, name, overwrite);
  }

  /** Paths of the image files that sandboxes, snapshots and templates need. */
  imagesInUse(): Set<string> {
    const files = this.#assembly.registry
      .all()
      .flatMap(({ record: { boot, disk } }) => [boot.kernel, boot.initramfs, disk.base.path]);
    return new Set([...files, ...this.#parts.snapshots.bases()]);
  }

  listTemplates(): Template[] {
    return this.#parts.templates.list();
  }

  /** The list of files of a template, with their checksums, for other hosts. */
  async describeTemplate(teamId: string, name: string, snapshot: string): Promise<string> {
    return this.#assembly.templateBundler.describe(this.#parts.templates.getExact(teamId, name, snapshot));
  }

  /** A file of a template by its checksum, as it travels, from an offset on. */
  readTemplateFile(
    { teamId, name, snapshot }: { teamId: string; name: string; snapshot: string },
    sha256: string,
    offset: number,
  ): AsyncGenerator<Uint8Array> {
    const template = this.#parts.templates.getExact(teamId, name, snapshot);
    return this.#assembly.templateBundler.read(template, sha256, offset);
  }

  /** Brings a template of another host here, by its list of files; does nothing where it is. */
  async fetchTemplate(named: TemplateName, bundle: string, source: TemplateSource): Promise<Template> {
    const { templateFetcher, warmPool, garbage } = this.#assembly;
    const { template, former } = await templateFetcher.fetch(named, bundle, source);
    if (former) {
      await warmPool.empty(former.snapshot);
      garbage.schedule();
    }
    return template;
  }

  /**
   * Removes a template, only the one of a certain snapshot where that is named; sandboxes that were started from it are not
   * affected.
   */
  async deleteTemplate(teamId: string, name: string, only?: string): Promise<void> {
    await this.#assembly.templateMaker.remove(teamId, name, only);
  }

  /**
   * Pauses every sandbox that runs, for a reason that its owner will be told. What cannot be paused runs on, for another call
   * to try; once `stop` aborts, pauses under way go on and no other begins. Never rejects.
   */
  async pauseAll(reason: Omit<SandboxReason, "at">, stop: AbortSignal): Promise<void> {
    await pauseAll({ ...this.#parts, ...this.#assembly }, reason, stop);
  }

  /** Gives back memory that nobody has asked for, when the host is short of it. */
  async onMemoryPressure(): Promise<void> {
    await this.#assembly.warmPool.yieldMemory();
  }

  /** Destroys every sandbox, for a host agent whose sandboxes must not outlive it. */
  async destroyAll(): Promise<void> {
    this.#assembly.guard.close();
    await settleAll([
      ...[...this.list(), ...this.stopped()].map((sandbox) => this.destroy(sandbox.id)),
      ...this.#leftovers.map((clear) => clear()),
      this.#assembly.warmPool.close(),
    ]);
    await this.#assembly.garbage.close();
    await this.#assembly.meter.close();
  }

  /** Ends every sandbox for a reason that its owner will be told, for an operator who wants none any more. */
  async endAll(reason: SandboxReason): Promise<void> {
    this.#assembly.guard.close();
    this.#ending.abort(new Error("every sandbox is ended"));
    await settleAll([
      ...this.list().map((sandbox) =>
        sandbox.lifecycle.perform("lost", () => this.#assembly.remover.end(sandbox, reason)),
      ),
      ...this.#leftovers.map((clear) => clear()),
      this.#assembly.warmPool.close(),
    ]);
    await this.#assembly.garbage.close();
    await this.#assembly.meter.close();
  }

  #note({ id, record }: Sandbox, ended: EndedOperation): void {
    const operation = record.purpose === "pool" && ended.operation === "create" ? MAKE_READY : ended.operation;
    logOperation(this.#parts.log, { ...ended, operation }, { sandbox: id });
    this.onOperation({ ...ended, operation });
  }

  /**
   * Lets every operation end, waiting for guests no longer than a moment, and lets go of the microVMs, which run on until
   * the next start of the agent.
   */
  async release(): Promise<void> {
    this.#assembly.inactivity.close();
    this.#assembly.guard.close();
    const grace = setTimeout(() => this.#ending.abort(new Error("the host agent is stopping")), END_GRACE_MS);
    await this.#assembly.warmPool.close();
    await Promise.all(this.list().map(({ lifecycle }) => lifecycle.settled()));
    await this.#assembly.meter.close();
    await Promise.all(
      this.list().map(async (sandbox) => {
        await sandbox.lifecycle.settled();
        await sandbox.detach(new WarrenError("host_unavailable", "the host agent is stopping; try again"))?.detach();
      }),
    );
    clearTimeout(grace);
    await this.#assembly.garbage.close();
  }
}

/** Waits for the end of all; throws the first failure. */
async function settleAll(work: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
