import type { EmergencySpace } from "@warren/server/emergency-space";
import type { Logger } from "pino";
import type { DiskLayers } from "../../disk/layers.ts";
import type { ImageCache } from "../../memory/image-cache/image-cache.ts";
import type { DiskFailure } from "../../vmm/vmm.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import type { Journal } from "../record/journal.ts";
import { heldError, reasonOf, type SandboxReason } from "../record/reason.ts";
import type { Snapshotter } from "../snapshot/snapshotter.ts";
import type { WarmPool } from "../start/warm-pool.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** Bytes that sandboxes together are taken to write in a second at most: what a fast disk takes. */
const FASTEST_GROWTH = 1024 ** 3;
/** Bounds of the milliseconds between two looks at the disk. */
const INTERVAL_MS = { min: 20, max: 5000 };
/** Bytes that a sandbox may still write once the reserve is used, so that it can be worked with and data taken out. */
const ALLOWANCE = 16 * 1024 ** 2;

export interface DiskGuardParts {
  registry: SandboxRegistry;
  space: DiskSpace;
  emergency: EmergencySpace;
  disks: DiskLayers;
  journal: Journal;
  snapshotter: Snapshotter;
  warmPool: WarmPool;
  memoryImages: ImageCache;
  log: Logger;
}

/**
 * Keeps the disks of guests from using up the host's. Once the reserve is used, whoever goes on writing is held: its vCPUs
 * stand still, which takes no disk, until there is space again. A request that failed for lack of space holds its sandbox
 * at once; the guest does not learn of it, and the request is made again.
 *
 * The kernel tells nobody of a disk that fills up, so it is looked at: as often as a quarter of what is left, or of the
 * reserve, could be written.
 */
export class DiskGuard {
  readonly #parts: DiskGuardParts;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** What the top layers took when the reserve came into use; absent while it is not. */
  #marks: Map<Sandbox, { layer: string; bytes: number }> | undefined;

  constructor(parts: DiskGuardParts) {
    this.#parts = parts;
  }

  /** Begins to look. */
  start(): void {
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** A request of a guest's disk has failed on the host. */
  failed(sandbox: Sandbox, failure: DiskFailure): void {
    const { log, registry } = this.#parts;
    log.warn({ sandbox: sandbox.id, ...failure }, "the disk of a microVM failed on the host; it stands still");
    if (registry.isUnclaimed(sandbox)) {
      this.#parts.warmPool.lost(sandbox);
      return;
    }
    const reason = failure.noSpace
      ? fullReason("the host's disk is full")
      : reasonOf("host_disk_failed", `the host's disk failed: ${failure.reason}; resume it to try again`);
    hold(sandbox, reason);
    this.#settle(sandbox, reason);
  }

  /** Lets a sandbox that is held run on because a caller asks for it. The caller owns its life cycle at that moment. */
  async resume(sandbox: Sandbox): Promise<void> {
    await this.#parts.space.requireAccess();
    await this.#release(sandbox);
  }

  async #look(): Promise<void> {
    let delay = INTERVAL_MS.max;
    try {
      delay = await this.#check();
    } catch (error) {
      this.#parts.log.error({ err: error }, "the host's disk could not be looked at");
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), delay);
    this.#timer.unref();
  }

  /** Gives the milliseconds until the next look. */
  async #check(): Promise<number> {
    const { registry, space, disks, emergency } = this.#parts;
    const live = registry.list().filter((sandbox) => sandbox.live);
    const left = await space.left(live.map(({ record }) => disks.path(record.disk.layers[0] ?? "")));
    const quarter = space.limits.reserveBytes / 4;
    if (left <= 0) await this.#holdGrowing(live);
    else if (left > Math.min(quarter, 4 * ALLOWANCE)) {
      this.#marks = undefined;
      await emergency.keep();
      for (const sandbox of live) if (sandbox.held?.code === "host_disk_full") this.#releaseSoon(sandbox);
    }
    const delay = (Math.max(left / 4, quarter) / FASTEST_GROWTH) * 1000;
    return Math.min(Math.max(delay, INTERVAL_MS.min), INTERVAL_MS.max);
  }

  async #holdGrowing(live: Sandbox[]): Promise<void> {
    const { disks, space, warmPool, memoryImages, log } = this.#parts;
    if (!this.#marks) {
      this.#marks = new Map();
      log.warn(`${await space.describe()}: sandboxes that go on writing are held`);
      // What can be made again goes first.
      await warmPool.evict();
      await memoryImages.trim(0);
    }
    const allowance = Math.min(ALLOWANCE, space.limits.reserveBytes / 16);
    for (const sandbox of live) {
      const [layer] = sandbox.record.disk.layers;
      if (sandbox.held || layer === undefined) continue;
      const bytes = await disks.allocatedBytes([layer]);
      const mark = this.#marks.get(sandbox);
      if (mark?.layer !== layer) this.#marks.set(sandbox, { layer, bytes });
      else if (bytes - mark.bytes > allowance) this.#settle(sandbox, fullReason(await space.describe()));
    }
  }

  /** Stops a sandbox once no operation on it is under way, and writes down why. */
  #settle(sandbox: Sandbox, reason: SandboxReason): void {
    const { journal, log } = this.#parts;
    const { live, lifecycle, record } = sandbox;
    const work = lifecycle.perform("hold", async () => {
      if (!live || sandbox.live !== live || lifecycle.status !== "running" || record.reason?.code === reason.code)
        return;
      await live.vm.suspend();
      hold(sandbox, reason);
      log.warn({ sandbox: sandbox.id, reason: reason.message }, "holding a sandbox");
      record.reason = reason;
      await journal.write(record);
    });
    work.catch((error: unknown) => log.error({ sandbox: sandbox.id, err: error }, "a sandbox could not be held"));
  }

  #releaseSoon(sandbox: Sandbox): void {
    const { log } = this.#parts;
    const work = sandbox.lifecycle.perform("release", () => this.#release(sandbox));
    work.catch((error: unknown) => log.error({ sandbox: sandbox.id, err: error }, "a held sandbox does not run on"));
  }

  async #release(sandbox: Sandbox): Promise<void> {
    const { snapshotter, journal, log } = this.#parts;
    const { live, record } = sandbox;
    if (!sandbox.held || !live) return;
    this.#marks?.delete(sandbox);
    delete record.reason;
    sandbox.held = undefined;
    log.info({ sandbox: sandbox.id }, "a held sandbox runs on");
    await snapshotter.release(sandbox);
    await journal.write(record);
  }
}

/** Ends the calls into a sandbox whose vCPUs stand still, and refuses others. */
export function hold(sandbox: Sandbox, reason: SandboxReason): void {
  sandbox.held = reason;
  sandbox.interrupt(heldError(sandbox.id, reason));
}

function fullReason(what: string): SandboxReason {
  return reasonOf("host_disk_full", `${what}; it goes on by itself when there is space`);
}
