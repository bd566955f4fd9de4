import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "pino";
import type { DiskChain, DiskLayers } from "../../disk/layers.ts";
import { type Capture, captureLayer } from "../../memory/capture/capture.ts";
import { ProcessMemory } from "../../memory/capture/dirty-pages.ts";
import type { MemoryStore } from "../../memory/store/store.ts";
import { newManifest, type SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { Vmm } from "../../vmm/vmm.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import { shapeOf } from "../microvms/shape.ts";
import type { Journal, SandboxRecord } from "../record/journal.ts";
import type { Lifecycle } from "../record/lifecycle.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** What snapshots are made with. */
export interface SnapshotterParts {
  journal: Journal;
  vmm: Vmm;
  memory: MemoryStore;
  disks: DiskLayers;
  snapshots: SnapshotStore;
  space: DiskSpace;
  /** Aborts when guests are not waited for any more: the host agent ends. */
  ending: AbortSignal;
  log: Logger;
}

/** A microVM that has been copied at one instant and is not yet on disk. Exactly one of the two methods is to be called. */
export interface PendingSnapshot {
  /**
   * Writes it to disk under an id that is held. When it resolves, the snapshot survives a loss of power; when it fails,
   * nothing of it is left.
   */
  publish(id: string): Promise<SnapshotManifest>;
  discard(): Promise<void>;
}

/** Copies running microVMs. */
export class Snapshotter {
  readonly #parts: SnapshotterParts;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
  }

  /** Stops the microVM of a sandbox and copies it. It stays stopped; on a failure it runs on. */
  async stopAndCopy(sandbox: Sandbox): Promise<PendingSnapshot> {
    return this.#copy(sandbox, undefined);
  }

  /** Copies the microVM of a sandbox, which then runs on with a new disk layer above the copied ones. */
  async copyAndContinue(sandbox: Sandbox): Promise<PendingSnapshot> {
    const { disks, journal } = this.#parts;
    const { record } = sandbox;
    const copied = record.disk;
    const top = disks.newId();
    // Named before it is made. Until the microVM has switched to it, the layer is empty, and a chain with an empty
    // layer on top holds the same as the chain without it.
    record.disk = { ...copied, layers: [top, ...copied.layers] };
    try {
      await journal.write(record);
      await disks.createTop(record.disk);
    } catch (error) {
      // It was not made: no later copy may rest on it. Where this cannot be written either, the next write of it does.
      record.disk = copied;
      await journal.write(record).catch(() => undefined);
      throw error;
    }
    try {
      return await this.#copy(sandbox, { copied, layers: record.disk.layers });
    } catch (error) {
      // A microVM that is switched already goes on with the new layer; the record that names it then stays right.
      this.#parts.log.warn({ sandbox: record.id, err: error }, "could not copy a running sandbox");
      throw error;
    }
  }

  /** Makes a snapshot of a running sandbox under an id that is held; the sandbox runs on. */
  async snapshotAndContinue(sandbox: Sandbox, id: string): Promise<SnapshotManifest> {
    const copy = await this.copyAndContinue(sandbox);
    return copy.publish(id);
  }

  /**
   * Lets a stopped microVM and its processes run on. What a guest makes of it that does not answer is its own affair; it
   * is not waited for once a destroy is asked for.
   */
  async release({ id, live, lifecycle }: Sandbox): Promise<void> {
    if (!live) return;
    const { vm, guest } = live;
    const over = this.#over(lifecycle);
    await vm.resume();
    await guest
      .unfreeze(over)
      .catch(() => guest.unfreeze(over))
      .catch((error: unknown) =>
        this.#parts.log.warn({ sandbox: id, err: error }, "a guest did not confirm that its processes run on"),
      );
  }

  /**
   * Has the processes of a guest sleep until they have been told their time and identity. A guest that refuses, or does not
   * answer in time, is stopped all the same, and its processes run from the first instant of their next time. Only a
   * template that everybody starts from is not made of such a guest. Throws once a destroy is asked for.
   */
  async #freezeProcesses({ record, live, lifecycle }: Sandbox): Promise<void> {
    try {
      await live?.guest.freeze(this.#over(lifecycle));
    } catch (error) {
      lifecycle.destroySignal.throwIfAborted();
      if (record.purpose === "template") throw error;
      this.#parts.log.warn({ sandbox: record.id, err: error }, "a guest is stopped that did not freeze its processes");
    }
  }

  /** Aborts when the guest of a sandbox is not waited for any more. */
  #over({ destroySignal }: Lifecycle): AbortSignal {
    return AbortSignal.any([destroySignal, this.#parts.ending]);
  }

  async #copy(sandbox: Sandbox, next: { copied: DiskChain; layers: string[] } | undefined): Promise<PendingSnapshot> {
    const { record, live } = sandbox;
    if (!live) throw new WarrenError("internal_error", `sandbox ${record.id} has no microVM`);
    const { vm } = live;
    const { disks } = this.#parts;
    const { lifecycle } = sandbox;
    const { destroySignal } = lifecycle;
    const parent = record.memory?.header ?? null;
    const memory = await ProcessMemory.open(await vm.memoryMapping());
    try {
      await lifecycle.step("freeze", () => this.#freezeProcesses(sandbox));
      const started = performance.now();
      let capture: Capture | undefined;
      try {
        const state = await lifecycle.step("device_state", () => vm.saveDeviceState());
        const { memory: store, space } = this.#parts;
        const copy = () => captureLayer(store, memory, parent, (bytes) => space.promise(bytes));
        capture = await lifecycle.step("memory", copy);
        // For which the vCPUs stood still, up to the end of the copy.
        const stoppedMs = performance.now() - started;
        if (next) await lifecycle.step("disk", () => disks.stack(vm.disk, next.layers));
        const deviceState = await readFile(state.path);
        if (next) await lifecycle.step("wake", () => this.release(sandbox));
        destroySignal.throwIfAborted();
        const { dirtyPages, streamed } = capture.figures;
        lifecycle.note({ stoppedMs: Math.round(stoppedMs * 10) / 10, dirtyPages, streamed });
        const disk = next?.copied ?? record.disk;
        return this.#pendingSnapshot(sandbox, capture, disk, next !== undefined, deviceState);
      } catch (error) {
        await capture?.discard();
        if (destroySignal.aborted) throw destroySignal.reason;
        await this.release(sandbox);
        throw error;
      }
    } finally {
      await memory.close();
    }
  }

  /** `runsOn`: others will read the disk while the VMM that wrote it lives. */
  #pendingSnapshot(
    { record, lifecycle }: Sandbox,
    capture: Capture,
    disk: DiskChain,
    runsOn: boolean,
    deviceState: Uint8Array,
  ): PendingSnapshot {
    const { snapshots, vmm } = this.#parts;
    const { token, spec } = record;
    const dropCopy = async (error: unknown): Promise<never> => {
      await capture.discard();
      throw error;
    };
    const publish = async (snapshotId: string) => {
      const expected = snapshots.expectMemory(capture.id);
      try {
        await (runsOn ? this.#closeDisk(record, disk) : this.#syncDisk(record, disk)).catch(dropCopy);
        const header = await capture.publish();
        const manifest = newManifest({
          id: snapshotId,
          createdAt: Date.now(),
          shape: await shapeOf(vmm, spec),
          memory: header.id,
          disk,
          token,
        });
        return await snapshots.publish(manifest, deviceState);
      } finally {
        expected();
      }
    };
    return {
      discard: () => capture.discard(),
      publish: (snapshotId) => lifecycle.step("publish", () => publish(snapshotId)),
    };
  }

  /**
   * Sees to it that a VMM can write no layer of a disk that others are about to read. Those that it ever could are the ones
   * above the snapshot that it was started from.
   */
  async #closeDisk(record: SandboxRecord, disk: DiskChain): Promise<void> {
    const { disks, journal, space } = this.#parts;
    for (const layer of this.#written(record, disk)) {
      // Goes with the microVM.
      const former = join(journal.directory(record.instance), "jail", disks.fileName(layer));
      await disks.close(layer, former, (bytes) => space.promise(bytes));
    }
  }

  /** Makes durable what a VMM has written, also below a layer that was put above it for a copy that did not come about. */
  async #syncDisk(record: SandboxRecord, disk: DiskChain): Promise<void> {
    for (const layer of this.#written(record, disk)) await this.#parts.disks.sync(layer);
  }

  /** The layers of a disk that are not those of the snapshot that its sandbox was started from. */
  #written({ snapshot }: SandboxRecord, { layers }: DiskChain): string[] {
    const start = new Set(snapshot === undefined ? [] : this.#parts.snapshots.get(snapshot).disk.layers);
    return layers.filter((layer) => !start.has(layer));
  }
}
