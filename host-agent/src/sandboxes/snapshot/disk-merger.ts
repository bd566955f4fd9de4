import type { DiskLayers } from "../../disk/layers.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { Journal, SandboxRecord } from "../record/journal.ts";

/** Layers of a disk above the base image beyond which those of its own are merged into one. */
const MAX_DEPTH = 8;

/** Keeps the chains of disk layers short: each pause adds one. */
export class DiskMerger {
  readonly #disks: DiskLayers;
  readonly #snapshots: SnapshotStore;

  constructor(disks: DiskLayers, snapshots: SnapshotStore) {
    this.#disks = disks;
    this.#snapshots = snapshots;
  }

  /**
   * Gives the snapshot that a sandbox is paused in one layer in place of all those above the lowest, when there are too
   * many. The lowest is that of the template and stays shared. The former layers are not touched; they go with the next
   * collection once nothing else needs them.
   */
  async mergeIfDeep(record: SandboxRecord, journal: Journal): Promise<void> {
    const { layers, base } = record.disk;
    const kept = layers.at(-1);
    if (layers.length <= MAX_DEPTH || kept === undefined || !record.snapshot) return;
    const merged = this.#disks.newId();
    const chain = { layers: [merged, kept], base };
    // The record names both for as long as the one takes the place of the other.
    record.disk = { layers: [...layers, merged], base };
    await journal.write(record);
    try {
      await this.#disks.merge({ layers, base }, merged);
      await this.#snapshots.replaceDisk(record.snapshot, chain.layers);
      record.disk = chain;
    } catch (error) {
      record.disk = { layers, base };
      throw error;
    } finally {
      await journal.write(record);
    }
  }
}
