import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DiskChain, DiskLayers } from "../disk/layers.ts";
import { readQcow2Header } from "../disk/qcow2/header.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import type { Journal, SandboxRecord } from "./journal.ts";

/** Layers of a disk above the base image beyond which those of its own are merged into one. */
const MAX_DEPTH = 8;

const run = promisify(execFile);

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
      await this.#convert(layers, kept, merged, base);
      await this.#snapshots.replaceDisk(record.snapshot, chain.layers);
      record.disk = chain;
    } catch (error) {
      record.disk = { layers, base };
      throw error;
    } finally {
      await journal.write(record);
    }
  }

  async #convert(layers: string[], kept: string, merged: string, base: DiskChain["base"]): Promise<void> {
    const source = this.#disks.image({ layers, base });
    // A guest that took over its VMM may have made its layer name another file of the host, which would be read as root.
    for (const layer of layers) await readQcow2Header(this.#disks.path(layer));
    const below = this.#disks.image({ layers: [kept], base });
    await run("qemu-img", [
      "convert",
      "-O",
      "qcow2",
      "-o",
      "cluster_size=128k,extended_l2=on",
      "-B",
      nodeOf(below.layers),
      "-F",
      "qcow2",
      nodeOf(source.layers),
      this.#disks.path(merged),
    ]);
    // Layers name nothing below them: who opens a chain says what it is made of.
    await run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-b", "", this.#disks.path(merged)]);
    await this.#disks.sync(merged);
  }
}

/** A chain as QEMU's tools take it: the names inside the files are not followed. */
function nodeOf([top, ...below]: { path: string; format: string }[]): string {
  const node = (
    layer: { path: string; format: string } | undefined,
    rest: { path: string; format: string }[],
  ): unknown =>
    layer && {
      driver: layer.format,
      file: { driver: "file", filename: layer.path },
      ...(layer.format === "qcow2" ? { backing: node(rest[0], rest.slice(1)) ?? null } : {}),
    };
  return `json:${JSON.stringify(node(top, below))}`;
}
