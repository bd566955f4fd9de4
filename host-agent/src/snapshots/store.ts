import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { removeUnfinishedWrites, syncDirectory, writeFileDurably } from "@warren/server/durable-file";
import type { DiskLayers } from "../disk/layers.ts";
import { collectGarbage } from "../memory/store/garbage.ts";
import type { MemoryStore } from "../memory/store/store.ts";
import { damaged, type ManifestDraft, parseManifest, type SnapshotManifest } from "./manifest.ts";

const SNAPSHOT_ID = /^[0-9a-f]{32}$/;
const TEMPORARY = ".tmp";

/** The id of a snapshot that is about to be published. */
export interface Reservation {
  readonly id: string;
  release(): void;
}

/**
 * Snapshots of microVMs of a data directory: memory, device state and disk as of one instant, `snapshots/{id}/` with
 * `manifest.json` and `device-state`. A snapshot is published by one rename after its memory, disk layers and device state
 * are durable, so each is there whole or not at all. It is immutable and lasts for as long as something names it: a sandbox
 * that is paused in it or runs on its memory, or a template.
 */
export class SnapshotStore {
  readonly #directory: string;
  readonly #memory: MemoryStore;
  readonly #disks: DiskLayers;
  /** Manifests of all published snapshots. */
  readonly #manifests = new Map<string, SnapshotManifest>();
  /** Snapshots that an operation under way needs, with the number of those. */
  readonly #held = new Map<string, number>();
  /** Memories that are about to be named by a snapshot. */
  readonly #pendingMemories = new Set<string>();
  /** Snapshots that are there and cannot be read; while there is one, nothing is taken for garbage that it may need. */
  #unusable = 0;
  #collecting: Promise<void> = Promise.resolve();

  private constructor(directory: string, memory: MemoryStore, disks: DiskLayers) {
    this.#directory = directory;
    this.#memory = memory;
    this.#disks = disks;
  }

  /** Opens the store and removes what an earlier process left half made. Unusable snapshots are named in `unusable`. */
  static async open(
    dataDirectory: string,
    memory: MemoryStore,
    disks: DiskLayers,
  ): Promise<{ store: SnapshotStore; unusable: unknown[] }> {
    const directory = join(dataDirectory, "snapshots");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const store = new SnapshotStore(directory, memory, disks);
    const unusable: unknown[] = [];
    for (const name of await readdir(directory)) {
      if (name.endsWith(TEMPORARY)) await rm(join(directory, name), { recursive: true });
      if (!SNAPSHOT_ID.test(name)) continue;
      try {
        await removeUnfinishedWrites(join(directory, name));
        const text = await readFile(join(directory, name, "manifest.json"), "utf8");
        store.#manifests.set(name, parseManifest(text, name));
      } catch (error) {
        unusable.push(error);
      }
    }
    store.#unusable = unusable.length;
    return { store, unusable };
  }

  /**
   * An id for a new snapshot, which is kept from collection from its first moment until `release`: whoever publishes it
   * has time to name it in a record or template.
   */
  reserve(): Reservation {
    const id = newId();
    return { id, release: this.hold(id) };
  }

  /** The manifest of a snapshot; throws `snapshot_damaged` when there is none. */
  get(id: string): SnapshotManifest {
    const manifest = this.#manifests.get(id);
    if (!manifest) throw damaged(id, "it is not there, or its manifest cannot be read");
    return manifest;
  }

  /** Base images that snapshots rest on. */
  bases(): string[] {
    return [...this.#manifests.values()].map(({ disk }) => disk.base.path);
  }

  has(id: string): boolean {
    return this.#manifests.has(id);
  }

  /**
   * Publishes a snapshot under an id that is held. Its memory is in the memory store, its disk layers are no longer
   * written. Resolves when all of it survives a loss of power; when it fails, nothing of it is visible.
   */
  async publish(manifest: ManifestDraft, deviceState: Uint8Array): Promise<SnapshotManifest> {
    const complete: SnapshotManifest = {
      ...manifest,
      state: { crc32: crc32(deviceState), bytes: deviceState.length },
    };
    const temporary = join(this.#directory, manifest.id + TEMPORARY);
    try {
      await mkdir(temporary, { mode: 0o700 });
      await Promise.all([
        ...manifest.disk.layers.slice(0, 1).map((top) => this.#disks.sync(top)),
        writeFileDurably(join(temporary, "device-state"), deviceState),
        writeFileDurably(join(temporary, "manifest.json"), `${JSON.stringify(complete, null, 2)}\n`),
      ]);
      await rename(temporary, join(this.#directory, manifest.id));
      this.#manifests.set(manifest.id, complete);
      await syncDirectory(this.#directory);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw explainNoSpace(error);
    }
    return complete;
  }

  /** Gives a snapshot other disk layers with the same content. */
  async replaceDisk(id: string, layers: string[]): Promise<void> {
    const manifest = this.get(id);
    const replaced = { ...manifest, disk: { ...manifest.disk, layers } };
    await writeFileDurably(join(this.#directory, id, "manifest.json"), `${JSON.stringify(replaced, null, 2)}\n`);
    this.#manifests.set(id, replaced);
  }

  /** Path of the device state, after a check that it is what was saved. */
  async deviceState(id: string): Promise<string> {
    const { state } = this.get(id);
    const path = join(this.#directory, id, "device-state");
    const content = await readFile(path).catch((error: unknown) => {
      throw damaged(id, "its device state cannot be read", error);
    });
    if (content.length !== state.bytes || crc32(content) !== state.crc32) {
      throw damaged(id, "its device state has changed since it was saved");
    }
    return path;
  }

  /**
   * Publishes another snapshot of the same instant under an id that is held, which lasts independently of the first; both
   * share all their layers.
   */
  async duplicate(id: string, duplicateId: string): Promise<SnapshotManifest> {
    const release = this.hold(id);
    try {
      const source = this.get(id);
      const lease = await this.#memory.lease(source.memory);
      const header = { ...lease.header, id: newId() };
      const expected = this.expectMemory(header.id);
      try {
        await this.#memory.publish(header, null);
        const state = await readFile(await this.deviceState(id));
        const { state: _, ...draft } = source;
        return await this.publish({ ...draft, id: duplicateId, memory: header.id }, state);
      } finally {
        expected();
        lease.end();
      }
    } finally {
      release();
    }
  }

  /** Bytes on disk of a snapshot, allocated blocks × 512: memory, disk layers above the base image, device state. */
  async allocatedBytes(id: string): Promise<number> {
    const { memory, disk, state } = this.get(id);
    const { layers } = await this.#memory.summary(memory);
    const paths = [this.#memory.headerPath(memory), ...layers.map((layer) => this.#memory.layerPath(layer.id))];
    const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).blocks * 512));
    const stateBytes = Math.ceil(state.bytes / 4096) * 4096;
    return sizes.reduce((sum, size) => sum + size, stateBytes + (await this.#disks.allocatedBytes(disk.layers)));
  }

  /** As `allocatedBytes`, without the lowest layers of memory and disk, which belong to the template it came from. */
  async bytesAboveTemplate(id: string): Promise<number> {
    const { memory, disk } = this.get(id);
    const [lowest] = (await this.#memory.summary(memory)).layers;
    const shared = lowest ? (await stat(this.#memory.layerPath(lowest.id))).blocks * 512 : 0;
    return (await this.allocatedBytes(id)) - shared - (await this.#disks.allocatedBytes(disk.layers.slice(-1)));
  }

  /** Keeps a snapshot while an operation needs it that no record names yet. */
  hold(id: string): () => void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const count = (this.#held.get(id) ?? 1) - 1;
      if (count === 0) this.#held.delete(id);
      else this.#held.set(id, count);
    };
  }

  /**
   * Removes the snapshots, memories and disk layers that nothing needs. `named` tells, whenever it is called, what
   * records and templates name at that moment. One collection runs at a time.
   */
  collect(named: () => { snapshots: ReadonlySet<string>; diskLayers: ReadonlySet<string> }): Promise<void> {
    const next = this.#collecting.then(() => this.#collect(named));
    this.#collecting = next.catch(() => undefined);
    return next;
  }

  /**
   * Does work between collections, for what is found or brought in and will be named by the time of the next one: a
   * collection under way may have taken the same files for garbage already.
   */
  betweenCollections<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#collecting.then(work);
    this.#collecting = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
  }

  async #collect(named: () => { snapshots: ReadonlySet<string>; diskLayers: ReadonlySet<string> }): Promise<void> {
    for (const [id, manifest] of [...this.#manifests]) {
      if (named().snapshots.has(id) || this.#held.has(id)) continue;
      this.#manifests.delete(id);
      const doomed = join(this.#directory, id + TEMPORARY);
      await rename(join(this.#directory, id), doomed);
      await syncDirectory(this.#directory);
      await this.#memory.release(manifest.memory);
      await rm(doomed, { recursive: true });
    }
    if (this.#unusable > 0) return;
    await this.#releaseOrphans();
    await collectGarbage(this.#memory);
    await this.#disks.collect(() => {
      const layers = new Set(named().diskLayers);
      for (const { disk } of this.#manifests.values()) for (const layer of disk.layers) layers.add(layer);
      return layers;
    });
  }

  /** Gives up memories that no snapshot names: an earlier process ended between publishing the one and the other. */
  async #releaseOrphans(): Promise<void> {
    const headers = await this.#memory.list();
    const needed = new Set([...this.#manifests.values()].map(({ memory }) => memory));
    for (const id of headers) if (!needed.has(id) && !this.#pendingMemories.has(id)) await this.#memory.release(id);
  }

  /** Keeps a memory from collection until the returned function is called; for the time before its snapshot is published. */
  expectMemory(id: string): () => void {
    this.#pendingMemories.add(id);
    return () => void this.#pendingMemories.delete(id);
  }
}

function newId(): string {
  return randomBytes(16).toString("hex");
}

function explainNoSpace(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== "ENOSPC") return error;
  return new WarrenError(
    "host_disk_full",
    "the host has no disk space left for the snapshot; free some and try again",
    {
      cause: error,
    },
  );
}
