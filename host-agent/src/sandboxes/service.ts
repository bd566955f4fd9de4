import { randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE, SANDBOX_ID } from "@warren/contracts/identifiers";
import type { Logger } from "pino";
import type { DiskLayers } from "../disk/layers.ts";
import type { BootImages } from "../images/images.ts";
import { mergeDue, mergeLayers } from "../memory/merge.ts";
import type { MemoryStore } from "../memory/store.ts";
import type { SnapshotManifest } from "../snapshots/manifest.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import type { BaseTemplates } from "../templates/base-templates.ts";
import type { Template, TemplateStore } from "../templates/store.ts";
import type { VmExit } from "../vmm/vmm.ts";
import { type CapacityLimits, requireRoom } from "./capacity.ts";
import { DiskMerger } from "./disk-merger.ts";
import { Freezing } from "./freezing.ts";
import { InactivityTimers } from "./inactivity.ts";
import type { SandboxRecord } from "./journal.ts";
import { type MicrovmParts, Microvms } from "./microvm.ts";
import { Sandbox } from "./sandbox.ts";
import { shapeOf } from "./shape.ts";
import { WarmPool } from "./warm-pool.ts";

/** What a caller decides about a new sandbox. */
export interface NewSandbox {
  id: string;
  teamId: string;
  template: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Seconds; 0 = never. */
  timeoutSec: number;
  onTimeout: "pause" | "destroy";
  env: Record<string, string>;
}

/** Parts that the sandboxes of one host are made from. */
export interface SandboxParts extends MicrovmParts {
  dataDirectory: string;
  memory: MemoryStore;
  disks: DiskLayers;
  snapshots: SnapshotStore;
  templates: TemplateStore;
  baseTemplates: BaseTemplates;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  limits: CapacityLimits;
  /** Sandboxes of each template in use that stand ready. */
  warmPool: number;
  log: Logger;
}

/** The sandboxes of one host. */
export class SandboxService {
  readonly #parts: SandboxParts;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** Sandboxes that have no caller: about to stand in the warm pool, or to be frozen into a template. */
  readonly #unclaimed = new Set<Sandbox>();
  readonly #microvms: Microvms;
  readonly #freezing: Freezing;
  readonly #pool: WarmPool;
  readonly #inactivity: InactivityTimers;
  readonly #diskMerger: DiskMerger;
  #collection: Promise<void> | undefined;
  #stopping = false;

  constructor(parts: SandboxParts) {
    this.#parts = parts;
    this.#microvms = new Microvms(parts, (sandbox, exit) => this.#onExit(sandbox, exit));
    this.#freezing = new Freezing(parts);
    this.#diskMerger = new DiskMerger(parts.disks, parts.snapshots);
    this.#pool = new WarmPool({
      size: parts.warmPool,
      log: parts.log,
      make: (snapshot) => this.#makeSpare(snapshot),
      drop: (sandbox) => this.#remove(sandbox, gone(sandbox.id)),
    });
    this.#inactivity = new InactivityTimers((sandbox) => this.#onInactive(sandbox));
  }

  /** Sandboxes that belong to callers. */
  list(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  /** The sandbox with this id, or `not_found`. */
  get(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new WarrenError("not_found", `there is no sandbox ${id} on this host`);
    return sandbox;
  }

  /** Starts a sandbox from a template. The id of one that exists is refused with `already_exists`. */
  async create(request: NewSandbox): Promise<Sandbox> {
    if (!SANDBOX_ID.test(request.id)) throw new WarrenError("invalid_request", `${request.id} is not a sandbox id`);
    if (this.#sandboxes.has(request.id)) {
      throw new WarrenError("already_exists", `there is a sandbox ${request.id} already`);
    }
    const template = this.#findTemplate(request);
    const size = template ?? request;
    const sandbox = new Sandbox(this.#newRecord({ ...request, vcpus: size.vcpus, memoryMb: size.memoryMb }, "sandbox"));
    this.#sandboxes.set(sandbox.id, sandbox);
    return this.#start(sandbox, async () => template?.snapshot ?? (await this.#baseSnapshot(size)));
  }

  /** Ends a sandbox in any state; one that is gone already is not an error. */
  async destroy(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    await this.#destroy(sandbox, new WarrenError("not_found", `sandbox ${id} was destroyed`));
  }

  /** Writes a running sandbox to disk and frees its microVM. On a failure it runs on. */
  async pause(id: string, pausedBy: "request" | "inactivity" = "request"): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("pause", async () => {
      if (sandbox.lifecycle.status === "paused") return;
      sandbox.lifecycle.require("running");
      if (pausedBy === "inactivity" && !sandbox.isInactive()) return;
      await this.#pause(sandbox, pausedBy);
    });
    return sandbox;
  }

  /** Continues a paused sandbox where it stood. On a failure it stays paused. */
  async resume(id: string, timeoutSec?: number): Promise<Sandbox> {
    const sandbox = this.get(id);
    await sandbox.lifecycle.perform("resume", async () => {
      if (sandbox.lifecycle.status === "running") return;
      sandbox.lifecycle.require("paused");
      await this.#resume(sandbox, timeoutSec);
    });
    return sandbox;
  }

  /** Starts copies of a running sandbox from one stop of it. Gives each copy, or the reason why there is none. */
  async fork(id: string, forkIds: readonly string[]): Promise<(Sandbox | WarrenError)[]> {
    const parent = this.get(id);
    for (const forkId of forkIds) {
      if (!SANDBOX_ID.test(forkId)) throw new WarrenError("invalid_request", `${forkId} is not a sandbox id`);
      if (this.#sandboxes.has(forkId)) throw new WarrenError("already_exists", `there is a sandbox ${forkId} already`);
    }
    const manifest = await parent.lifecycle.perform("fork", async () => {
      parent.lifecycle.require("running");
      const copy = await this.#freezing.copyAndContinue(parent);
      return copy.publish();
    });
    const letGo = this.#parts.snapshots.hold(manifest.id);
    try {
      return await Promise.all(forkIds.map((forkId) => this.#startFork(parent, forkId, manifest)));
    } finally {
      letGo();
      this.#scheduleCollection();
    }
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. */
  async snapshot(id: string, teamId: string, name: string, overwrite: boolean): Promise<Template> {
    const { templates, snapshots, memoryImages, log } = this.#parts;
    const sandbox = this.get(id);
    templates.requireFree(teamId, name, overwrite);
    const manifest = await sandbox.lifecycle.perform("snapshot", async () => {
      sandbox.lifecycle.require("running", "paused");
      if (sandbox.lifecycle.status === "paused") return snapshots.duplicate(sandbox.record.snapshot ?? "");
      const copy = await this.#freezing.copyAndContinue(sandbox);
      return copy.publish();
    });
    const letGo = snapshots.hold(manifest.id);
    try {
      templates.requireFree(teamId, name, overwrite);
      const { vcpus, memoryMb } = manifest.shape;
      const sizeBytes = await snapshots.allocatedBytes(manifest.id);
      const template = {
        teamId,
        name,
        snapshot: manifest.id,
        vcpus,
        memoryMb,
        sizeBytes,
        createdAt: manifest.createdAt,
      };
      await templates.put(template);
      // Sandboxes will start from it: what they map is put together ahead of the first.
      memoryImages.prepare(manifest.memory).catch((error: unknown) => {
        log.warn({ template: name, err: error }, "the memory of a template could not be prepared");
      });
      return template;
    } finally {
      letGo();
      this.#scheduleCollection();
    }
  }

  /** Removes a template; sandboxes that were started from it are not affected. */
  async deleteTemplate(teamId: string, name: string): Promise<void> {
    const { snapshot } = this.#parts.templates.get(teamId, name);
    await this.#parts.templates.remove(teamId, name);
    await this.#pool.empty(snapshot);
    this.#scheduleCollection();
  }

  /** Destroys every sandbox, for a host agent whose sandboxes must not outlive it. */
  async destroyAll(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.list().map((sandbox) => this.destroy(sandbox.id)), this.#pool.close()]);
    await this.#collection;
  }

  /** Lets every operation end and lets go of the microVMs, which run on until the next start of the agent. */
  async release(): Promise<void> {
    this.#stopping = true;
    this.#inactivity.close();
    await this.#pool.close();
    await Promise.all(
      this.list().map(async (sandbox) => {
        await sandbox.lifecycle.settled();
        const live = sandbox.detach(new WarrenError("host_unavailable", "the host agent is stopping; try again"));
        live?.guest.close();
        await live?.vm.detach();
      }),
    );
    await this.#collection;
  }

  /**
   * Takes up what an earlier host agent left: live microVMs are adopted, paused sandboxes kept, everything else is
   * brought back to its last state at rest or removed. Must end before the first call of another method.
   */
  async recover(): Promise<void> {
    const { journal, slots, log } = this.#parts;
    const { records, unreadable } = await journal.load();
    await Promise.all(records.map((record) => this.#recoverOne(new Sandbox(record))));
    for (const { instance, reason } of unreadable) {
      log.warn({ instance, reason }, "removing a sandbox directory without a usable record");
      await journal.remove(instance);
    }
    await slots.sweep(new Set(this.list().flatMap(({ record }) => record.slot ?? [])));
    await this.#collect();
  }

  async #recoverOne(sandbox: Sandbox): Promise<void> {
    const { log } = this.#parts;
    const { record } = sandbox;
    const reason = gone(record.id);
    if (record.purpose !== "sandbox") return this.#remove(sandbox, reason);
    this.#sandboxes.set(sandbox.id, sandbox);
    if (record.status === "running" || record.status === "pausing") {
      try {
        const live = await this.#microvms.adopt(sandbox);
        if (live) {
          // An agent that ended in the middle of a copy left it stopped; a running one does not mind.
          await this.#freezing.release(live);
          if (record.status === "pausing") sandbox.lifecycle.transition("running");
          record.status = "running";
          await this.#parts.journal.write(record);
          this.#inactivity.watch(sandbox);
          log.info({ sandbox: record.id }, "adopted a live sandbox");
          return;
        }
      } catch (error) {
        log.error({ sandbox: record.id, err: error }, "cannot adopt a sandbox");
      }
    }
    if (
      record.status !== "stopping" &&
      (record.ownSnapshot || record.status === "resuming" || record.status === "paused")
    ) {
      await this.#returnToSnapshot(sandbox, reason);
      return;
    }
    log.info({ sandbox: record.id, status: record.status }, "removing a sandbox that did not outlive the host agent");
    await this.#remove(sandbox, reason);
  }

  #findTemplate({ teamId, template }: NewSandbox): Template | undefined {
    return template === BASE_TEMPLATE ? undefined : this.#parts.templates.get(teamId, template);
  }

  /** Starts a sandbox that has just been registered from the snapshot that `find` gives. */
  async #start(sandbox: Sandbox, find: () => Promise<string>): Promise<Sandbox> {
    await sandbox.lifecycle.perform("create", async () => {
      try {
        await this.#requireRoom(sandbox);
        await this.#parts.journal.create(sandbox.record);
        const snapshot = await find();
        sandbox.lifecycle.destroySignal.throwIfAborted();
        if (!(await this.#claim(sandbox, snapshot))) await this.#microvms.restore(sandbox, snapshot);
        await this.#running(sandbox);
        if (sandbox.record.purpose === "sandbox") this.#pool.want(snapshot);
      } catch (error) {
        this.#parts.log.warn({ sandbox: sandbox.id, err: error }, "sandbox did not start");
        await this.#remove(sandbox, new WarrenError("not_found", `sandbox ${sandbox.id} did not start`));
        throw error;
      }
    });
    return sandbox;
  }

  /** Gives a sandbox the microVM of one that stands ready; false when none does, or it did not wake up. */
  async #claim(sandbox: Sandbox, snapshot: string): Promise<boolean> {
    const { journal, log } = this.#parts;
    const spare = this.#pool.take(snapshot);
    if (!spare) return false;
    const { record } = sandbox;
    const former = record.instance;
    try {
      // One record follows the other: a crash between the two leaves both, and the spare one is removed as such.
      this.#microvms.handOver(spare, sandbox);
      await journal.write(record);
      await journal.remove(former);
      await sandbox.live?.vm.thaw();
      await this.#microvms.identify(sandbox);
      this.#unclaimed.delete(spare);
      return true;
    } catch (error) {
      log.warn({ sandbox: record.id, err: error }, "a sandbox of the warm pool did not wake up");
      await this.#microvms.stop(sandbox, gone(sandbox.id));
      this.#unclaimed.delete(spare);
      return false;
    }
  }

  async #startFork(parent: Sandbox, id: string, manifest: SnapshotManifest): Promise<Sandbox | WarrenError> {
    const { teamId, template, vcpus, memoryMb, timeoutSec, onTimeout, env } = parent.record;
    const request = { id, teamId, template, vcpus, memoryMb, timeoutSec, onTimeout, env };
    const sandbox = new Sandbox(this.#newRecord(request, "sandbox"));
    this.#sandboxes.set(id, sandbox);
    try {
      return await sandbox.lifecycle.perform("create", async () => {
        try {
          await this.#requireRoom(sandbox);
          await this.#parts.journal.create(sandbox.record);
          await this.#microvms.restore(sandbox, manifest.id);
          await this.#running(sandbox);
          return sandbox;
        } catch (error) {
          await this.#remove(sandbox, new WarrenError("not_found", `sandbox ${id} did not start`));
          throw error;
        }
      });
    } catch (error) {
      this.#parts.log.warn({ sandbox: id, parent: parent.id, err: error }, "fork did not start");
      return error instanceof WarrenError ? error : new WarrenError("internal_error", "the copy did not start");
    }
  }

  async #running(sandbox: Sandbox): Promise<void> {
    sandbox.lifecycle.transition("running");
    sandbox.record.status = "running";
    sandbox.touch();
    sandbox.record.lastActiveAt = sandbox.lastActiveAt;
    await this.#parts.journal.write(sandbox.record);
    this.#inactivity.watch(sandbox);
  }

  /** The built-in template for a size of machine, which is booted and frozen when there is none. */
  async #baseSnapshot(size: { vcpus: number; memoryMb: number }): Promise<string> {
    const images = this.#parts.images();
    const shape = await shapeOf(this.#parts.vmm, size);
    const files = [images.vmlinuz, images.initramfs, images.base.path];
    return this.#parts.baseTemplates.ensure(shape, files, (id) => this.#freezeBase(size, id));
  }

  async #freezeBase(size: { vcpus: number; memoryMb: number }, snapshotId: string): Promise<void> {
    const sandbox = this.#newUnclaimed("template", size);
    const { journal, log } = this.#parts;
    log.info({ vcpus: size.vcpus, memoryMb: size.memoryMb }, "booting the built-in template");
    try {
      await journal.create(sandbox.record);
      const { guest } = await this.#microvms.boot(sandbox);
      for (const command of WARM_UP)
        await runToEnd(guest.run({ ...command, env: {}, timeoutMs: 60_000, stdin: false }));
      const copy = await this.#freezing.stopAndCopy(sandbox);
      await copy.publish(snapshotId);
    } finally {
      await this.#remove(sandbox, gone(sandbox.id));
    }
  }

  /** Makes a sandbox for the warm pool: restored, warmed up and suspended. */
  async #makeSpare(snapshot: string): Promise<Sandbox> {
    const { shape } = this.#parts.snapshots.get(snapshot);
    const sandbox = this.#newUnclaimed("pool", shape);
    try {
      await this.#requireRoom(sandbox);
      await this.#parts.journal.create(sandbox.record);
      const { vm, guest } = await this.#microvms.restore(sandbox, snapshot);
      for (const command of WARM_UP)
        await runToEnd(guest.run({ ...command, env: {}, timeoutMs: 60_000, stdin: false }));
      await vm.suspend();
      return sandbox;
    } catch (error) {
      await this.#remove(sandbox, gone(sandbox.id));
      throw error;
    }
  }

  async #pause(sandbox: Sandbox, pausedBy: "request" | "inactivity"): Promise<void> {
    const { journal, memory, log } = this.#parts;
    const { record, lifecycle } = sandbox;
    lifecycle.transition("pausing");
    record.status = "pausing";
    await journal.write(record);
    let snapshot: SnapshotManifest;
    try {
      const copy = await this.#freezing.stopAndCopy(sandbox);
      try {
        snapshot = await copy.publish();
      } catch (error) {
        if (sandbox.live) await this.#freezing.release(sandbox.live);
        throw error;
      }
      const letGo = this.#parts.snapshots.hold(snapshot.id);
      record.snapshot = snapshot.id;
      record.ownSnapshot = true;
      record.status = "paused";
      record.pausedBy = pausedBy;
      record.lastActiveAt = sandbox.lastActiveAt;
      await journal.write(record).finally(letGo);
    } catch (error) {
      lifecycle.transition("running");
      record.status = "running";
      await journal.write(record);
      throw error;
    }
    this.#inactivity.forget(sandbox);
    lifecycle.transition("paused");
    // From here on the sandbox is paused whatever happens: a microVM that does not go is removed by the next start.
    await this.#microvms.stop(sandbox, new WarrenError("invalid_state", `sandbox ${sandbox.id} was paused`));
    await journal.write(record);
    await this.#diskMerger.mergeIfDeep(record, journal).catch((error: unknown) => {
      log.warn({ sandbox: record.id, err: error }, "the disk layers of a paused sandbox could not be merged");
    });
    if (await mergeDue(memory, snapshot.memory)) {
      await mergeLayers(memory, snapshot.memory).catch((error: unknown) => {
        log.warn({ sandbox: record.id, err: error }, "the memory layers of a paused sandbox could not be merged");
      });
    }
    this.#scheduleCollection();
  }

  async #resume(sandbox: Sandbox, timeoutSec: number | undefined): Promise<void> {
    const { journal, snapshots } = this.#parts;
    const { record, lifecycle } = sandbox;
    const before = structuredClone(record);
    await this.#requireRoom(sandbox);
    snapshots.get(record.snapshot ?? "");
    lifecycle.transition("resuming");
    record.status = "resuming";
    if (timeoutSec !== undefined) record.timeoutSec = timeoutSec;
    try {
      await this.#microvms.restore(sandbox, record.snapshot ?? "");
      delete record.pausedBy;
      await this.#running(sandbox);
    } catch (error) {
      await this.#microvms.stop(sandbox, new WarrenError("invalid_state", `sandbox ${sandbox.id} did not resume`));
      Object.assign(record, before);
      lifecycle.transition("paused");
      await journal.write(record);
      this.#scheduleCollection();
      throw error;
    }
  }

  /** Brings a sandbox whose microVM is gone back to its last pause. */
  async #returnToSnapshot(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    const { journal, snapshots, log } = this.#parts;
    const { record, lifecycle } = sandbox;
    await this.#microvms.stop(sandbox, reason);
    if (record.snapshot && snapshots.has(record.snapshot)) record.disk = snapshots.get(record.snapshot).disk;
    if (record.status !== "paused") log.warn({ sandbox: record.id }, "a sandbox returned to its last pause");
    lifecycle.returnTo("paused");
    record.status = "paused";
    record.pausedBy ??= "request";
    await journal.write(record);
  }

  async #onInactive(sandbox: Sandbox): Promise<void> {
    const { log } = this.#parts;
    const { id, record } = sandbox;
    if (record.onTimeout === "destroy") {
      log.info({ sandbox: id }, "destroying an inactive sandbox");
      await this.destroy(id);
      return;
    }
    log.info({ sandbox: id }, "pausing an inactive sandbox");
    await this.pause(id, "inactivity");
  }

  #onExit(sandbox: Sandbox, exit: VmExit): void {
    const { log } = this.#parts;
    log.warn({ sandbox: sandbox.id, console: exit.consoleTail }, "the microVM ended by itself");
    if (this.#unclaimed.has(sandbox)) {
      this.#pool.lost(sandbox);
      return;
    }
    if (sandbox.lifecycle.destroySignal.aborted) return;
    // An operation that is under way notices by itself, and brings the sandbox into a state at rest.
    const work = sandbox.lifecycle.perform("lost", async () => {
      if (sandbox.lifecycle.status !== "running" || sandbox.live?.vm.process.pid === undefined) return;
      this.#inactivity.forget(sandbox);
      const reason = new WarrenError("not_found", `the microVM of sandbox ${sandbox.id} ended by itself`);
      if (sandbox.record.ownSnapshot && !exit.byGuest) await this.#returnToSnapshot(sandbox, reason);
      else await this.#remove(sandbox, reason);
    });
    work.catch((error: unknown) => {
      log.error({ sandbox: sandbox.id, err: error }, "cannot clean up behind a microVM that ended");
    });
  }

  #destroy(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    return sandbox.lifecycle.perform("destroy", () => this.#remove(sandbox, reason));
  }

  /** Frees all that a sandbox holds, also when it is only half made. On a failure the record stays for the next attempt. */
  async #remove(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    const { journal } = this.#parts;
    const { record, lifecycle } = sandbox;
    if (lifecycle.status === "gone") return;
    this.#inactivity.forget(sandbox);
    if (lifecycle.status !== "stopping") lifecycle.transition("stopping");
    record.status = "stopping";
    if (record.slot !== undefined) await journal.write(record);
    await this.#microvms.stop(sandbox, reason);
    await journal.remove(record.instance);
    lifecycle.transition("gone");
    this.#unclaimed.delete(sandbox);
    if (this.#sandboxes.get(sandbox.id) === sandbox) this.#sandboxes.delete(sandbox.id);
    this.#scheduleCollection();
  }

  async #requireRoom(sandbox: Sandbox): Promise<void> {
    const { dataDirectory, limits } = this.#parts;
    const measure = () => {
      const others = [...this.#sandboxes.values(), ...this.#unclaimed].filter(
        (other) => other !== sandbox && other.lifecycle.status !== "paused",
      );
      return { count: others.length, memoryMb: others.reduce((sum, { record }) => sum + record.memoryMb, 0) };
    };
    try {
      await requireRoom(dataDirectory, limits, measure(), sandbox.record.memoryMb);
    } catch (error) {
      // What stands ready gives way to what is asked for.
      if (sandbox.record.purpose === "pool" || !(await this.#pool.giveWay())) throw error;
      await requireRoom(dataDirectory, limits, measure(), sandbox.record.memoryMb);
    }
  }

  #newUnclaimed(purpose: "pool" | "template", { vcpus, memoryMb }: { vcpus: number; memoryMb: number }): Sandbox {
    const id = `sb${[...randomBytes(20)].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte & 31]).join("")}`;
    const request: NewSandbox = {
      id,
      teamId: "",
      template: BASE_TEMPLATE,
      vcpus,
      memoryMb,
      timeoutSec: 0,
      onTimeout: "pause",
      env: {},
    };
    const sandbox = new Sandbox(this.#newRecord(request, purpose));
    this.#unclaimed.add(sandbox);
    return sandbox;
  }

  #newRecord(request: NewSandbox, purpose: SandboxRecord["purpose"]): SandboxRecord {
    const { images, disks } = this.#parts;
    const { vmlinuz, initramfs, base } = images();
    const now = Date.now();
    return {
      version: 1,
      ...request,
      instance: request.id,
      purpose,
      status: "starting",
      createdAt: now,
      lastActiveAt: now,
      // The guest agent of a machine that boots knows no token yet.
      token: purpose === "template" ? "" : randomBytes(24).toString("hex"),
      disk: { layers: [disks.newId()], base },
      ownSnapshot: false,
      boot: { kernel: vmlinuz, initramfs },
    };
  }

  /** Removes, some time soon, the snapshots, memories and disk layers that nothing needs. */
  #scheduleCollection(): void {
    if (this.#collection || this.#stopping) return;
    this.#collection = this.#collect()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, "cannot remove what is no longer needed"))
      .finally(() => {
        this.#collection = undefined;
      });
  }

  async #collect(): Promise<void> {
    const { snapshots, templates, baseTemplates } = this.#parts;
    await snapshots.collect(() => {
      const records = [...this.#sandboxes.values(), ...this.#unclaimed].map(({ record }) => record);
      return {
        snapshots: new Set([
          ...records.flatMap(({ snapshot }) => snapshot ?? []),
          ...templates.list().map(({ snapshot }) => snapshot),
          ...baseTemplates.ids(),
        ]),
        diskLayers: new Set(records.flatMap(({ disk }) => disk.layers)),
      };
    });
  }
}

/** Commands whose pages a template holds ready: the shell and the interpreter that most callers start with. */
const WARM_UP = [
  { cmd: "sh", args: ["-c", "true"] },
  { cmd: "python3", args: ["-c", "pass"] },
];

async function runToEnd(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

function gone(id: string): WarrenError {
  return new WarrenError("not_found", `sandbox ${id} is gone`);
}
