import { randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import type { Logger } from "pino";
import type { DiskLayers } from "../disk/layers.ts";
import type { GuestClient } from "../guest/client.ts";
import type { BootImages } from "../images/images.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import type { BaseTemplates } from "../templates/base-templates.ts";
import type { Vmm } from "../vmm/vmm.ts";
import { abortable } from "./abortable.ts";
import type { DiskSpace } from "./disk-space.ts";
import type { Freezing } from "./freezing.ts";
import type { InactivityTimers } from "./inactivity.ts";
import type { Journal, SandboxRecord } from "./journal.ts";
import type { Microvms } from "./microvms.ts";
import type { SandboxRegistry } from "./registry.ts";
import { goneError, type Removal } from "./removal.ts";
import { Sandbox } from "./sandbox.ts";
import { shapeOf } from "./shape.ts";
import { WarmPool, type WarmPoolLimits } from "./warm-pool.ts";

/** Commands that are run before somebody asks: the shell and the interpreter that most callers start with. */
const WARM_UP = [
  { cmd: "sh", args: ["-c", "true"] },
  { cmd: "python3", args: ["-c", "pass"] },
];
/**
 * What the built-in template holds ready in memory beside these: the login shell and the programs that scripts are made
 * of. Last, all is written to disk: the kernel would go on with it in each sandbox.
 */
const TEMPLATE_WARM_UP = [
  ...WARM_UP,
  { cmd: "bash", args: ["-lc", "ls / | cat; env echo; env true"] },
  { cmd: "sync", args: [] },
];
const WARM_UP_LIMIT_MS = 60_000;

/** What is decided about a sandbox, and may be changed while it lives. */
export interface SandboxSettings {
  /** Seconds of inactivity before `onTimeout` happens; 0 = never. */
  timeoutSec: number;
  onTimeout: "pause" | "destroy";
  /** A call that needs it resumes it when it is paused. */
  autoResume: boolean;
}

/** What is decided about a new sandbox. */
export interface NewSandbox extends SandboxSettings {
  id: string;
  teamId: string;
  template: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Variables of all its processes; absent = those of the sandbox that it is a copy of. */
  env?: Record<string, string>;
}

export interface StartingParts {
  journal: Journal;
  vmm: Vmm;
  disks: DiskLayers;
  snapshots: SnapshotStore;
  baseTemplates: BaseTemplates;
  registry: SandboxRegistry;
  microvms: Microvms;
  freezing: Freezing;
  removal: Removal;
  inactivity: InactivityTimers;
  space: DiskSpace;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  warmPool: WarmPoolLimits;
  log: Logger;
}

/** Starts sandboxes from snapshots, by way of the warm pool where one stands ready. */
export class Starting {
  readonly pool: WarmPool;
  readonly #parts: StartingParts;

  constructor(parts: StartingParts) {
    this.#parts = parts;
    this.pool = new WarmPool({
      ...parts.warmPool,
      log: parts.log,
      make: (snapshot, signal, isAwaited) => this.#makeSpare(snapshot, signal, isAwaited),
      drop: (sandbox) => parts.removal.remove(sandbox),
    });
  }

  /**
   * Starts a sandbox from the snapshot that `find` gives, or by booting it when there is none, once there is room for it.
   * A failure leaves nothing of it.
   */
  async start(request: NewSandbox, find: () => Promise<string> | string | undefined): Promise<Sandbox> {
    const { registry, journal, microvms, removal, space, log } = this.#parts;
    const sandbox = new Sandbox(this.#newRecord(request, "sandbox"), request.env);
    registry.add(sandbox);
    await sandbox.lifecycle.perform("create", async () => {
      try {
        await this.requireRoom(sandbox);
        await space.requireLeft();
        await journal.create(sandbox.record);
        const snapshot = await abortable(Promise.resolve(find()), sandbox.lifecycle.destroySignal);
        if (snapshot === undefined) await this.#boot(sandbox);
        else if (!(await this.#claim(sandbox, snapshot))) await microvms.restore(sandbox, snapshot);
        await this.running(sandbox);
      } catch (error) {
        log.warn({ sandbox: sandbox.id, err: error }, "sandbox did not start");
        await removal.remove(sandbox, new WarrenError("not_found", `sandbox ${sandbox.id} did not start`));
        throw error;
      }
    });
    return sandbox;
  }

  /** The microVM of a sandbox runs and has confirmed its identity. */
  async running(sandbox: Sandbox): Promise<void> {
    sandbox.touch();
    sandbox.moveTo("running", { lastActiveAt: sandbox.lastActiveAt });
    await this.#parts.journal.write(sandbox.record);
    this.#parts.inactivity.watch(sandbox);
  }

  /** The built-in template for a size of machine, which is booted and frozen when there is none. */
  async baseSnapshot(size: { vcpus: number; memoryMb: number }): Promise<string> {
    const images = this.#parts.images();
    const shape = await shapeOf(this.#parts.vmm, size);
    const files = [images.vmlinux, images.initramfs, images.base.path];
    return this.#parts.baseTemplates.ensure(shape, files, (id) => this.#freezeBase(size, id));
  }

  /** Throws `host_full` when a sandbox does not fit; what stands ready gives way to what is asked for. */
  async requireRoom(sandbox: Sandbox): Promise<void> {
    const { registry } = this.#parts;
    try {
      registry.requireRoom(sandbox);
    } catch (error) {
      if (sandbox.record.purpose === "pool" || !(await this.pool.giveWay())) throw error;
      registry.requireRoom(sandbox);
    }
  }

  async #boot(sandbox: Sandbox): Promise<void> {
    const { microvms } = this.#parts;
    await microvms.boot(sandbox);
    await microvms.identify(sandbox);
  }

  /** Gives a sandbox the microVM of one that stands ready; false when none does, or it did not wake up. */
  async #claim(sandbox: Sandbox, snapshot: string): Promise<boolean> {
    const { journal, registry, microvms, log } = this.#parts;
    const { record, lifecycle } = sandbox;
    const spare = await this.pool.take(snapshot, lifecycle.destroySignal);
    if (!spare) return false;
    const former = record.instance;
    try {
      microvms.handOver(spare, sandbox);
      registry.remove(spare);
      // One record follows the other: a crash between the two leaves both, and neither sandbox has been promised yet.
      await journal.write(record);
      await journal.remove(former);
      await sandbox.live?.vm.prioritise();
      await sandbox.live?.vm.thaw();
      await microvms.identify(sandbox);
      return true;
    } catch (error) {
      lifecycle.destroySignal.throwIfAborted();
      log.warn({ sandbox: record.id, err: error }, "a sandbox of the warm pool did not wake up");
      await microvms.stop(sandbox, goneError(sandbox.id));
      return false;
    }
  }

  async #freezeBase(size: { vcpus: number; memoryMb: number }, snapshotId: string): Promise<void> {
    const { journal, microvms, freezing, removal, log } = this.#parts;
    const sandbox = this.#newUnclaimed("template", size);
    log.info({ vcpus: size.vcpus, memoryMb: size.memoryMb }, "booting the built-in template");
    try {
      await journal.create(sandbox.record);
      const { guest } = await microvms.boot(sandbox);
      // An identity is rehearsed with one that nobody uses: the next one finds its files and its code ready.
      await microvms.identify(sandbox);
      await warmUp(guest, TEMPLATE_WARM_UP);
      const copy = await freezing.stopAndCopy(sandbox);
      await copy.publish(snapshotId);
    } finally {
      await removal.remove(sandbox);
    }
  }

  /** Makes a sandbox for the warm pool, see {@link #restoreSpare}; nothing is left of it when it fails or `signal` aborts. */
  async #makeSpare(snapshot: string, signal: AbortSignal, isAwaited?: () => boolean): Promise<Sandbox> {
    const { snapshots, removal } = this.#parts;
    signal.throwIfAborted();
    const sandbox = this.#newUnclaimed("pool", snapshots.get(snapshot).shape);
    const { lifecycle } = sandbox;
    let removed: Promise<void> | undefined;
    const remove = () => (removed ??= lifecycle.perform("destroy", () => removal.remove(sandbox)));
    const giveUp = () => void remove().catch(() => undefined);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await lifecycle.perform("create", () => this.#restoreSpare(sandbox, snapshot, isAwaited));
      signal.throwIfAborted();
      return sandbox;
    } catch (error) {
      await remove();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /**
   * Restores a sandbox for the warm pool, warms it up and suspends it. One that somebody may ask for at any moment
   * (`isAwaited`) is warmed up with the first command only, and not at all once it is asked for. A destroy ends each wait
   * for the guest.
   */
  async #restoreSpare(sandbox: Sandbox, snapshot: string, isAwaited?: () => boolean): Promise<void> {
    const { journal, microvms, space } = this.#parts;
    const { destroySignal } = sandbox.lifecycle;
    await this.requireRoom(sandbox);
    await space.requireLeft();
    await journal.create(sandbox.record);
    const { vm, guest } = await microvms.restore(sandbox, snapshot, isAwaited === undefined);
    if (!isAwaited?.()) await warmUp(guest, isAwaited && WARM_UP.slice(0, 1), destroySignal);
    // Its agent rests too: what it is about to do by itself would be done when the sandbox is handed out.
    if (!isAwaited?.()) await guest.freeze(destroySignal);
    await vm.suspend();
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
      autoResume: false,
      env: {},
    };
    const sandbox = new Sandbox(this.#newRecord(request, purpose), request.env);
    this.#parts.registry.add(sandbox);
    return sandbox;
  }

  #newRecord({ env: _, ...request }: NewSandbox, purpose: SandboxRecord["purpose"]): SandboxRecord {
    const { images, disks } = this.#parts;
    const { vmlinux, initramfs, base } = images();
    const now = Date.now();
    return {
      version: 1,
      ...request,
      instance: request.id,
      purpose,
      status: "starting",
      createdAt: now,
      lastActiveAt: now,
      // The built-in template has none, like a guest that has just booted: there is nobody in it to keep out.
      token: purpose === "template" ? "" : randomBytes(24).toString("hex"),
      disk: { layers: [disks.newId()], base },
      ownSnapshot: false,
      boot: { kernel: vmlinux, initramfs },
    };
  }
}

async function warmUp(guest: GuestClient, commands = WARM_UP, signal?: AbortSignal): Promise<void> {
  for (const command of commands) {
    const events = guest.run({ ...command, env: {}, timeoutMs: WARM_UP_LIMIT_MS, stdin: false }, signal);
    for await (const event of events) {
      if (event.type === "ended" && event.exitCode !== 0) {
        throw new WarrenError("boot_failed", `${command.cmd} ended with status ${event.exitCode} in a new sandbox`);
      }
    }
  }
}
