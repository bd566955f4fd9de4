import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE, SANDBOX_ID } from "@warren/contracts/identifiers";
import type { EmergencySpace } from "@warren/server/emergency-space";
import type { Logger } from "pino";
import type { BootImages } from "../images/images.ts";
import type { MemoryStore } from "../memory/store/store.ts";
import type { SnapshotManifest } from "../snapshots/manifest.ts";
import type { BaseTemplates } from "../templates/base-templates.ts";
import type { Template, TemplateStore } from "../templates/store.ts";
import type { CapacityLimits } from "./capacity.ts";
import { DiskGuard } from "./disk-guard.ts";
import { DiskMerger } from "./disk-merger.ts";
import type { DiskSpace } from "./disk-space.ts";
import { Freezing } from "./freezing.ts";
import { Garbage } from "./garbage.ts";
import { HangWatch } from "./hang-watch.ts";
import { onInactive } from "./inactive.ts";
import { InactivityTimers } from "./inactivity.ts";
import { Loss } from "./loss.ts";
import { type MicrovmParts, Microvms } from "./microvms.ts";
import { OutOfMemoryNotes } from "./out-of-memory.ts";
import { Pausing } from "./pausing.ts";
import type { SandboxReason } from "./reason.ts";
import { recover } from "./recovery.ts";
import { SandboxRegistry } from "./registry.ts";
import { Removal } from "./removal.ts";
import type { Sandbox } from "./sandbox.ts";
import { type NewSandbox, type SandboxSettings, Starting } from "./starting.ts";
import type { WarmPoolLimits } from "./warm-pool.ts";

/** Milliseconds for which operations may wait for a guest once the host agent ends, which has half a minute for all of it. */
const END_GRACE_MS = 10_000;

/** Parts that the sandboxes of one host are made from. */
export interface SandboxParts extends Omit<MicrovmParts, "ending"> {
  dataDirectory: string;
  memory: MemoryStore;
  templates: TemplateStore;
  baseTemplates: BaseTemplates;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  limits: CapacityLimits;
  space: DiskSpace;
  emergency: EmergencySpace;
  warmPool: WarmPoolLimits;
  /** Whether sandboxes of the built-in template boot, rather than continue one that was frozen. */
  coldBoot: boolean;
  log: Logger;
}

/** The sandboxes of one host: every operation on them, one at a time for each. */
export class SandboxService {
  readonly #parts: SandboxParts;
  readonly #registry: SandboxRegistry;
  readonly #inactivity: InactivityTimers;
  readonly #garbage: Garbage;
  readonly #microvms: Microvms;
  readonly #freezing: Freezing;
  readonly #removal: Removal;
  readonly #starting: Starting;
  readonly #pausing: Pausing;
  readonly #guard: DiskGuard;
  /** Aborts when no guest is waited for any more. */
  readonly #ending = new AbortController();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
    const registry = new SandboxRegistry(parts.limits, () => parts.memoryImages.sealedBytes);
    const { space } = parts;
    const inactivity: InactivityTimers = new InactivityTimers((sandbox) =>
      onInactive({ ...parts, removal, pausing, hangs }, sandbox),
    );
    const garbage = new Garbage({ ...parts, registry });
    const hangs = new HangWatch(parts);
    const memory = new OutOfMemoryNotes({ ...parts, registry });
    const ending = this.#ending.signal;
    const microvms = new Microvms(
      { ...parts, ending },
      {
        onExit: (sandbox, exit) => loss.happened(sandbox, exit),
        onDiskFailure: (sandbox, failure) => this.#guard.failed(sandbox, failure),
        // The making of one that stands ready is an operation that the look would wait for.
        onSilence: async (sandbox) => !registry.isUnclaimed(sandbox) && hangs.hangs(sandbox),
        onConsoleLine: (sandbox, line) => {
          memory.printed(sandbox, line);
          if (!registry.isUnclaimed(sandbox)) void hangs.printed(sandbox, line);
        },
        beforeCall: (sandbox) => hangs.admit(sandbox),
        onCall: (sandbox, answered) => hangs.called(sandbox, answered),
      },
    );
    const freezing = new Freezing({ ...parts, space, ending });
    const removal = new Removal({ ...parts, registry, microvms, inactivity, garbage });
    const starting = new Starting({ ...parts, registry, microvms, freezing, removal, inactivity, space });
    const { pool } = starting;
    const diskMerger = new DiskMerger(parts.disks, parts.snapshots);
    const pausing = new Pausing({ ...parts, microvms, freezing, starting, inactivity, garbage, diskMerger, space });
    const loss = new Loss({ ...parts, registry, pausing, removal, pool });
    this.#registry = registry;
    this.#inactivity = inactivity;
    this.#garbage = garbage;
    this.#microvms = microvms;
    this.#freezing = freezing;
    this.#removal = removal;
    this.#starting = starting;
    this.#pausing = pausing;
    this.#guard = new DiskGuard({ ...parts, registry, freezing, pool });
  }

  /** Takes up what an earlier host agent left. Must end before the first call of another method. */
  async recover(): Promise<void> {
    await recover({
      ...this.#parts,
      registry: this.#registry,
      microvms: this.#microvms,
      freezing: this.#freezing,
      pausing: this.#pausing,
      removal: this.#removal,
      inactivity: this.#inactivity,
      garbage: this.#garbage,
    });
    this.#guard.start();
  }

  /** Sandboxes that belong to callers. */
  list(): Sandbox[] {
    return this.#registry.list();
  }

  /** Sandboxes that have ended by themselves, and wait for the destroy that says that their owner knows. */
  stopped(): Sandbox[] {
    return this.#registry.stopped();
  }

  /** Ids of sandboxes that changed though no call asked for it; the first answer comes at once and is empty. */
  watch(signal: AbortSignal): AsyncIterable<string[]> {
    return this.#registry.changes.watch(signal);
  }

  /** The sandbox with this id, or `not_found`. */
  get(id: string): Sandbox {
    return this.#registry.get(id);
  }

  /** The sandbox with this id for a call that needs it to run; resumes it when it is paused and was made for that. */
  async awake(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    const asleep = sandbox.status === "paused" || sandbox.status === "pausing";
    if (asleep && sandbox.record.autoResume) await this.resume(id);
    return sandbox;
  }

  /** Starts a sandbox from a template. The id of one that exists is refused with `already_exists`. */
  async create(request: NewSandbox): Promise<Sandbox> {
    requireId(request.id);
    this.#registry.requireFree(request.id);
    const sandbox = await this.#startFromTemplate(request);
    const { snapshot, memoryMb } = sandbox.record;
    if (snapshot && this.#isTemplate(snapshot)) this.#starting.pool.want(snapshot, memoryMb);
    return sandbox;
  }

  /** Makes a sandbox of the built-in template ready for a request that is about to come. Never rejects. */
  async prepare(size: { vcpus: number; memoryMb: number }): Promise<void> {
    if (this.#parts.coldBoot) return;
    try {
      this.#starting.pool.prepare(await this.#starting.baseSnapshot(size));
    } catch (error) {
      // Whoever asks for it meets the same error.
      this.#parts.log.warn({ err: error }, "no sandbox could be prepared");
    }
  }

  /** Ends a sandbox in any state; one that is gone already is not an error. */
  async destroy(id: string): Promise<void> {
    const sandbox = this.#registry.find(id);
    if (!sandbox) return;
    const reason = new WarrenError("not_found", `sandbox ${id} was destroyed`);
    await sandbox.lifecycle.perform("destroy", () => this.#removal.remove(sandbox, reason));
  }

  /** Writes a running sandbox to disk and frees its microVM; does nothing when it is paused. On a failure it runs on. */
  async pause(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("pause", async () => {
      if (sandbox.status === "paused") return;
      sandbox.requireRunning();
      await this.#pausing.pause(sandbox);
    });
    return sandbox;
  }

  /** Changes settings of a sandbox. A change of the timeout counts as activity: its time begins anew. */
  async update(id: string, settings: Partial<SandboxSettings>): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("update", async () => {
      sandbox.lifecycle.require("running", "paused");
      await this.#parts.journal.write({ ...sandbox.record, ...settings });
      Object.assign(sandbox.record, settings);
      if (settings.timeoutSec === undefined) return;
      sandbox.touch();
      if (sandbox.lifecycle.status === "running") this.#inactivity.watch(sandbox);
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
      if (sandbox.held) return this.#guard.resume(sandbox);
      if (sandbox.lifecycle.status === "running") return;
      sandbox.lifecycle.require("paused");
      await this.#pausing.resume(sandbox, timeoutSec);
    });
    if (timeoutSec === undefined || sandbox.record.timeoutSec === timeoutSec) return sandbox;
    return this.update(id, { timeoutSec });
  }

  /** Gives up what a running sandbox did since its last pause, which it returns to; does nothing when it is paused. */
  async rollback(id: string): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("rollback", async () => {
      if (sandbox.lifecycle.status === "paused") return;
      sandbox.lifecycle.require("running");
      await this.#pausing.rollback(sandbox);
    });
    return sandbox;
  }

  /** Starts copies of a running sandbox from one stop of it. Gives each copy, or the reason why there is none. */
  async fork(id: string, forkIds: readonly string[]): Promise<(Sandbox | WarrenError)[]> {
    const { snapshots, log } = this.#parts;
    const parent = this.get(id);
    if (new Set(forkIds).size < forkIds.length) throw new WarrenError("invalid_request", "two copies have the same id");
    for (const forkId of forkIds) {
      requireId(forkId);
      this.#registry.requireFree(forkId);
    }
    parent.requireRunning();
    const reserved = snapshots.reserve();
    try {
      const frozen = parent.lifecycle.perform("fork", async () => {
        parent.requireRunning();
        return this.#snapshotOfRunning(parent, reserved.id);
      });
      const { teamId, template, vcpus, memoryMb, timeoutSec, onTimeout, autoResume } = parent.record;
      const shared = { teamId, template, vcpus, memoryMb, timeoutSec, onTimeout, autoResume };
      // The copies are there from the beginning: one of which the host knows nothing is one that nobody makes.
      const starts = forkIds.map((forkId) =>
        this.#starting.start({ id: forkId, ...shared }, async () => (await frozen).id),
      );
      const ends = Promise.allSettled(starts);
      await frozen.finally(() => ends);
      return (await ends).map((result) => {
        if (result.status === "fulfilled") return result.value;
        if (result.reason instanceof WarrenError) return result.reason;
        log.error({ parent: id, err: result.reason }, "a copy did not start");
        return new WarrenError("internal_error", "the copy did not start; the log of the host agent says why");
      });
    } finally {
      reserved.release();
      this.#garbage.schedule();
    }
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. */
  async snapshot(id: string, teamId: string, name: string, overwrite: boolean): Promise<Template> {
    const { templates, snapshots, memoryImages, log } = this.#parts;
    const sandbox = this.get(id);
    templates.requireFree(teamId, name, overwrite);
    await this.#parts.space.promise(0);
    const reserved = snapshots.reserve();
    try {
      const manifest = await sandbox.lifecycle.perform("snapshot", async () => {
        sandbox.lifecycle.require("running", "paused");
        const { lifecycle, record } = sandbox;
        if (lifecycle.status === "paused") return snapshots.duplicate(record.snapshot ?? "", reserved.id);
        sandbox.requireRunning();
        return this.#snapshotOfRunning(sandbox, reserved.id);
      });
      templates.requireFree(teamId, name, overwrite);
      const { shape, createdAt, memory } = manifest;
      const sizeBytes = await snapshots.allocatedBytes(manifest.id);
      const size = { vcpus: shape.vcpus, memoryMb: shape.memoryMb, sizeBytes };
      const template = { teamId, name, snapshot: manifest.id, ...size, createdAt };
      const former = await templates.put(template);
      if (former) await this.#starting.pool.empty(former.snapshot);
      // Sandboxes will start from it: what they map is put together ahead of the first.
      memoryImages.prepare(memory).catch((error: unknown) => {
        log.warn({ template: name, err: error }, "the memory of a template could not be prepared");
      });
      return template;
    } finally {
      reserved.release();
      this.#garbage.schedule();
    }
  }

  /** Paths of the image files that sandboxes, snapshots and templates need. */
  imagesInUse(): Set<string> {
    const files = this.#registry
      .all()
      .flatMap(({ record: { boot, disk } }) => [boot.kernel, boot.initramfs, disk.base.path]);
    return new Set([...files, ...this.#parts.snapshots.bases()]);
  }

  listTemplates(): Template[] {
    return this.#parts.templates.list();
  }

  /** Removes a template; sandboxes that were started from it are not affected. */
  async deleteTemplate(teamId: string, name: string): Promise<void> {
    const { snapshot } = this.#parts.templates.get(teamId, name);
    await this.#parts.templates.remove(teamId, name);
    await this.#starting.pool.empty(snapshot);
    this.#garbage.schedule();
  }

  /** Gives back memory that nobody has asked for, when the host is short of it. */
  async onMemoryPressure(): Promise<void> {
    await this.#starting.pool.yieldMemory();
  }

  /** Destroys every sandbox, for a host agent whose sandboxes must not outlive it. */
  async destroyAll(): Promise<void> {
    this.#guard.close();
    await Promise.all([
      ...[...this.list(), ...this.stopped()].map((sandbox) => this.destroy(sandbox.id)),
      this.#starting.pool.close(),
    ]);
    await this.#garbage.close();
  }

  /** Ends every sandbox for a reason that its owner will be told, for an operator who wants none any more. */
  async endAll(reason: SandboxReason): Promise<void> {
    this.#guard.close();
    this.#ending.abort(new Error("every sandbox is ended"));
    await Promise.all([
      ...this.list().map((sandbox) => sandbox.lifecycle.perform("lost", () => this.#removal.end(sandbox, reason))),
      this.#starting.pool.close(),
    ]);
    await this.#garbage.close();
  }

  /**
   * Lets every operation end, waiting for guests no longer than a moment, and lets go of the microVMs, which run on until
   * the next start of the agent.
   */
  async release(): Promise<void> {
    this.#inactivity.close();
    this.#guard.close();
    const grace = setTimeout(() => this.#ending.abort(new Error("the host agent is stopping")), END_GRACE_MS);
    await this.#starting.pool.close();
    await Promise.all(
      this.list().map(async (sandbox) => {
        await sandbox.lifecycle.settled();
        await sandbox.detach(new WarrenError("host_unavailable", "the host agent is stopping; try again"))?.letGo();
      }),
    );
    clearTimeout(grace);
    await this.#garbage.close();
  }

  #startFromTemplate(request: NewSandbox): Promise<Sandbox> {
    if (request.template === BASE_TEMPLATE) {
      if (this.#parts.coldBoot) return this.#starting.start(request, () => undefined);
      return this.#starting.start(request, () => this.#starting.baseSnapshot(request));
    }
    const { vcpus, memoryMb, snapshot } = this.#parts.templates.get(request.teamId, request.template);
    return this.#starting.start({ ...request, vcpus, memoryMb }, () => snapshot);
  }

  /** Whether new sandboxes start from a snapshot: its template may have been replaced or deleted meanwhile. */
  #isTemplate(snapshot: string): boolean {
    const { templates, baseTemplates } = this.#parts;
    return (
      baseTemplates.ids().includes(snapshot) || templates.list().some((template) => template.snapshot === snapshot)
    );
  }

  async #snapshotOfRunning(sandbox: Sandbox, snapshotId: string): Promise<SnapshotManifest> {
    const copy = await this.#freezing.copyAndContinue(sandbox);
    return copy.publish(snapshotId);
  }
}

function requireId(id: string): void {
  if (!SANDBOX_ID.test(id)) throw new WarrenError("invalid_request", `${id} is not a sandbox id`);
}
