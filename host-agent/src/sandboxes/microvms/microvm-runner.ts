import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "pino";
import type { DiskLayers } from "../../disk/layers.ts";
import { GuestClient, type GuestIdentity } from "../../guest/client.ts";
import { silenceLimits } from "../../guest/limits.ts";
import { isAlive, processorTime } from "../../linux/process-identity.ts";
import type { ImageCache, MemoryImage } from "../../memory/image-cache/image-cache.ts";
import { GUEST_NETWORK, type Slot, type SlotPool } from "../../network/network.ts";
import { requireSameShape } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { DiskFailure, Vm, VmExit, Vmm } from "../../vmm/vmm.ts";
import { CallBounds } from "../capacity/call-bounds.ts";
import type { Journal, SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm, Microvm } from "../state/microvm.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { describeJail, describeMachine } from "./machine-description.ts";
import { shapeOf } from "./shape.ts";

/** Line that the guest agent prints on the console when it listens. */
const READY_LINE = "warren-guest-agent: ready";
/** Bytes of randomness given to a guest at each start. */
const ENTROPY_BYTES = 64;
/** Bytes in a MiB. */
const MIB = 1024 * 1024;

/** What microVMs are made from. */
export interface MicrovmParts {
  journal: Journal;
  vmm: Vmm;
  slots: SlotPool;
  disks: DiskLayers;
  memoryImages: ImageCache;
  snapshots: SnapshotStore;
  /** Name servers of the guests. */
  dns: readonly string[];
  /** Milliseconds from the first instruction of a microVM to its guest agent's readiness. */
  bootLimitMs: number;
  /** Milliseconds for which a guest that does nothing may be silent. */
  silenceMs: number;
  /** Aborts when guests are not waited for any more: the host agent ends. */
  ending: AbortSignal;
  log: Logger;
}

/** What microVMs tell by themselves. */
export interface MicrovmEvents {
  /** A sandbox has a microVM: a new one, one that an earlier host agent started, or one that stood ready. */
  onAttach(sandbox: Sandbox, live: LiveMicrovm, stoodReady: boolean): void;
  /** The microVM of a sandbox, if it has one, is about to be ended. */
  beforeStop(sandbox: Sandbox): Promise<void>;
  /** It ended, and nobody asked for that. */
  onExit(sandbox: Sandbox, exit: VmExit): void;
  /** Its disk failed on the host. */
  onDiskFailure(sandbox: Sandbox, failure: DiskFailure): void;
  /** The guest is silent though it is at work: resolves with whether it has hung. */
  onSilence(sandbox: Sandbox): Promise<boolean>;
  /** The guest has printed a line on its console. */
  onConsoleLine(sandbox: Sandbox, line: string): void;
  /** A call into the guest is about to begin; rejects when the guest is known to give no answer. */
  beforeCall(sandbox: Sandbox): Promise<void>;
  /** A call into the guest was answered, or was not. */
  onCall(sandbox: Sandbox, answered: boolean): void;
}

/** A microVM that has been started, and the token that its guest agent asks for. */
interface Started {
  vm: Vm;
  slot: Slot;
  image: MemoryImage;
  token: string;
}

/**
 * Starts and ends the microVMs of sandboxes. Each step is in the record before it happens; what a failed start took is
 * given back by `stop`.
 */
export class MicrovmRunner {
  readonly #parts: MicrovmParts;
  readonly #events: MicrovmEvents;
  readonly #bounds = new CallBounds();

  constructor(parts: MicrovmParts, events: MicrovmEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Boots the kernel of a record until its guest agent is ready; it has no identity yet. */
  async boot(sandbox: Sandbox): Promise<LiveMicrovm> {
    const { memoryImages, disks, vmm, bootLimitMs } = this.#parts;
    const { record, lifecycle } = sandbox;
    const microvm = sandbox.begin();
    const image = await lifecycle.step("memory_image", () => memoryImages.acquireBlank(record.spec.memoryMb * MIB));
    const slot = await this.#prepare(sandbox, microvm, image);
    await lifecycle.step("disk", () => disks.createTop(record.disk));
    const machine = this.#describe(record, slot, image);
    const vm = await lifecycle.step("vmm", () => vmm.start(machine, this.#onSpawn(record)));
    const live = this.#attach(sandbox, microvm, { vm, slot, image, token: "" });
    const limit = AbortSignal.any([AbortSignal.timeout(bootLimitMs), lifecycle.destroySignal]);
    try {
      await lifecycle.step("boot", () => vm.waitForConsole(READY_LINE, limit));
    } catch (error) {
      lifecycle.destroySignal.throwIfAborted();
      throw bootFailure(record.id, error, vm, bootLimitMs);
    }
    return live;
  }

  /**
   * Continues a snapshot on a new disk layer; the guest agent confirms the identity of the record. In the background, it
   * gives way to microVMs that somebody waits for, until `prioritise`.
   */
  async restore(sandbox: Sandbox, snapshotId: string, background = false): Promise<LiveMicrovm> {
    const { memoryImages, disks, vmm, snapshots } = this.#parts;
    const { record, lifecycle } = sandbox;
    const manifest = snapshots.get(snapshotId);
    requireSameShape(manifest.shape, await shapeOf(vmm, manifest.shape));
    const letGo = snapshots.hold(snapshotId);
    try {
      record.disk = { layers: [disks.newId(), ...manifest.disk.layers], base: manifest.disk.base };
      record.snapshot = snapshotId;
      const state = await snapshots.deviceState(snapshotId);
      const microvm = sandbox.begin();
      const acquire = () => memoryImages.acquire(manifest.memory, record.ownSnapshot);
      const image = await lifecycle.step("memory_image", acquire);
      microvm.image = image;
      lifecycle.destroySignal.throwIfAborted();
      const slot = await this.#prepare(sandbox, microvm, image);
      await lifecycle.step("disk", () => disks.createTop(record.disk));
      const machine = { ...this.#describe(record, slot, image), background };
      const vm = await lifecycle.step("vmm", () => vmm.restore(machine, state, this.#onSpawn(record)));
      const live = this.#attach(sandbox, microvm, { vm, slot, image, token: manifest.token });
      await this.identify(sandbox);
      return live;
    } finally {
      letGo();
    }
  }

  /** Gives a guest the identity of its record; throws unless the guest agent confirms it before a destroy is asked for. */
  async identify(sandbox: Sandbox): Promise<void> {
    const { record, live, environment } = sandbox;
    if (!live) throw new WarrenError("internal_error", `sandbox ${record.id} has no microVM`);
    const identity: GuestIdentity = {
      sandboxId: record.id,
      templateId: record.spec.template,
      token: record.token,
      env: environment,
      hostname: record.hostname ?? record.id,
      defaultUser: "user",
      entropy: randomBytes(ENTROPY_BYTES),
    };
    const { lifecycle } = sandbox;
    const { destroySignal } = lifecycle;
    const over = AbortSignal.any([destroySignal, this.#parts.ending]);
    try {
      await lifecycle.step("identity", () => live.guest.init(identity, undefined, over));
    } finally {
      destroySignal.throwIfAborted();
    }
    sandbox.environment = undefined;
  }

  /** Takes up a microVM that an earlier host agent started; undefined when it is gone. */
  async adopt(sandbox: Sandbox): Promise<LiveMicrovm | undefined> {
    const { slots, vmm, memoryImages, disks } = this.#parts;
    const { record } = sandbox;
    if (record.slot === undefined || !record.process || !record.memory) return undefined;
    // Its network went as well when the host restarted.
    if (!(await isAlive(record.process))) return undefined;
    const slot = await slots.adopt(record.slot);
    const microvm = sandbox.begin();
    microvm.slot = slot;
    record.disk = await disks.made(record.disk);
    const vm = await vmm.adopt(this.#describe(record, slot), record.process);
    if (!vm) return undefined;
    const image = memoryImages.adopt(record.memory.header, record.memory.path);
    return this.#attach(sandbox, microvm, { vm, slot, image, token: record.token });
  }

  /** Gives the microVM of a sandbox that stood ready to another one, which has yet to be identified. */
  handOver(spare: Sandbox, sandbox: Sandbox): void {
    sandbox.takeOver(spare);
    if (!sandbox.live) return;
    this.#watch(sandbox, sandbox.live);
    this.#events.onAttach(sandbox, sandbox.live, true);
  }

  /**
   * Ends the microVM of a sandbox, live or half started, and gives back what it held on the host; its disk layers stay.
   * Calls into it end with `reason`. Each step is tried whatever became of the others; a failure leaves the rest in the
   * record for the next attempt.
   */
  stop(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    return sandbox.lifecycle.step("stop", () => this.#stop(sandbox, reason));
  }

  async #stop(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    const { journal, vmm, slots } = this.#parts;
    const { record } = sandbox;
    await this.#events.beforeStop(sandbox);
    const microvm = sandbox.detach(reason) ?? sandbox.begin();
    const failures: unknown[] = [];
    const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => failures.push(error));
    await attempt(microvm.kill());
    if (record.slot !== undefined) {
      await attempt(vmm.sweep(describeJail(record.instance, journal.directory(record.instance), record.slot)));
      microvm.slot ??= await slots.adopt(record.slot).catch(() => undefined);
      if (failures.length === 0) await attempt(microvm.leaveSlot(slots));
    }
    if (failures.length > 0) throw failures[0];
    // The slot may be another's from here on.
    delete record.slot;
    delete record.process;
    await microvm.leaveImage().catch(async (error: unknown) => {
      // What failed first is what is told.
      await journal.write(record).catch(() => undefined);
      throw error;
    });
    delete record.memory;
    sandbox.clear();
    await rm(`${journal.directory(record.instance)}/jail`, { recursive: true, force: true });
  }

  /** Takes a slot and writes into the record what the start is about to make. */
  async #prepare(sandbox: Sandbox, microvm: Microvm, image: MemoryImage): Promise<Slot> {
    const { journal, slots } = this.#parts;
    const { record, lifecycle } = sandbox;
    microvm.image = image;
    record.memory = { header: image.headerId, path: image.path, own: image.own };
    const slot = await lifecycle.step("network", () => slots.acquire());
    microvm.slot = slot;
    record.slot = slot.number;
    await lifecycle.step("journal", () => journal.write(record));
    await mkdir(`${journal.directory(record.instance)}/jail`, { recursive: true, mode: 0o700 });
    return slot;
  }

  #describe(record: SandboxRecord, slot: Slot, image?: MemoryImage) {
    const { journal, disks, dns } = this.#parts;
    return describeMachine(record, journal.directory(record.instance), slot, disks, dns, image?.sealed);
  }

  #onSpawn(record: SandboxRecord) {
    return async (process: SandboxRecord["process"]) => {
      if (process) record.process = process;
      await this.#parts.journal.write(record);
    };
  }

  #attach(sandbox: Sandbox, microvm: Microvm, { token, ...started }: Started): LiveMicrovm {
    const { vm, slot } = started;
    const limits = { ...silenceLimits(this.#parts.silenceMs), processorMs: () => processorTime(vm.process.pid) };
    const guest = new GuestClient(slot.hostIp, GUEST_NETWORK.agentPort, token, limits);
    const live = Object.assign(microvm, { ...started, guest });
    sandbox.attach(live);
    this.#watch(sandbox, live);
    this.#events.onAttach(sandbox, live, false);
    return live;
  }

  #watch(sandbox: Sandbox, { vm, guest }: LiveMicrovm): void {
    vm.onDiskFailure((failure) => {
      if (sandbox.live?.vm === vm) this.#events.onDiskFailure(sandbox, failure);
    });
    sandbox.bounds = this.#bounds;
    vm.onConsoleLine((line) => {
      if (sandbox.live?.vm === vm) this.#events.onConsoleLine(sandbox, line);
    });
    sandbox.beforeCall = () => this.#events.beforeCall(sandbox);
    sandbox.onCall = (answered) => this.#events.onCall(sandbox, answered);
    guest.hasHung = () => this.#events.onSilence(sandbox);
    void vm.exited.then((exit) => {
      guest.close();
      if (!exit.expected && sandbox.live?.vm === vm) this.#events.onExit(sandbox, exit);
    });
  }
}

function bootFailure(id: string, error: unknown, vm: Vm, limitMs: number): WarrenError {
  const timedOut = error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
  const why = timedOut
    ? `Its guest agent was not ready within ${limitMs / 1000} s.`
    : error instanceof Error
      ? error.message
      : String(error);
  const tail = vm.consoleTail().trimEnd().split("\n").slice(-20).join("\n");
  const console = tail ? `Last lines of its console:\n${tail}` : "Its console is empty.";
  return new WarrenError("boot_failed", `sandbox ${id} did not boot. ${why} ${console}`, { cause: error });
}
