import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PromiseDisk } from "../memory/image-cache/image-cache.ts";
import { explainFullDisk } from "../memory/store/files.ts";
import { copyDurably, UNFINISHED } from "./copy.ts";
import type { BaseImage, DiskImage, DiskStore, LiveDisk } from "./disk.ts";

const LAYER_ID = /^[0-9a-f]{32}$/;
/** Modes of the files of layers. */
const MODE = { writable: 0o600, closed: 0o400 } as const;

/** A disk as a record keeps it: ids of its layers from the top down, and the image below them. */
export interface DiskChain {
  layers: string[];
  base: BaseImage;
}

/**
 * The layers of all disks of a data directory, `disks/{id}` with the end that the format of the layers gives to names. A
 * layer that has another one above it is never written again, so that disks may share it once no VMM can write it: the one
 * that did has ended, or holds another file (`close`). Whoever makes a layer names it in a record first: what no record names
 * is garbage.
 */
export class DiskLayers {
  readonly #directory: string;
  readonly #disks: DiskStore;
  /** Layers that are there and that no record or snapshot names yet. */
  readonly #held = new Set<string>();

  private constructor(directory: string, disks: DiskStore) {
    this.#directory = directory;
    this.#disks = disks;
  }

  static async open(dataDirectory: string, disks: DiskStore): Promise<DiskLayers> {
    const directory = join(dataDirectory, "disks");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) if (name.endsWith(UNFINISHED)) await rm(join(directory, name));
    return new DiskLayers(directory, disks);
  }

  /** Id for a layer that is to be made. */
  newId(): string {
    return randomBytes(16).toString("hex");
  }

  /** Name of the file of a layer, in whatever directory. */
  fileName(id: string): string {
    return id + this.#disks.suffix;
  }

  path(id: string): string {
    return join(this.#directory, this.fileName(id));
  }

  /** The files of a chain. */
  image({ layers, base }: DiskChain): DiskImage {
    return {
      layers: [
        ...layers.map((id) => ({ path: this.path(id), format: this.#disks.format })),
        { path: base.path, format: base.format },
      ],
    };
  }

  /** Makes the top layer of a chain whose other layers stand. */
  async createTop(chain: DiskChain): Promise<void> {
    const [top] = chain.layers;
    if (top === undefined) throw new Error("a disk without a layer of its own");
    // Its size is that of the base, whatever the layers below say: a VMM had them in its hands.
    const path = this.path(top);
    // Whole or not at all: a record may name it already, and a host agent that ends now is followed by another one.
    try {
      await this.#disks.create(path + UNFINISHED, chain.base);
      await rename(path + UNFINISHED, path);
    } catch (error) {
      await rm(path + UNFINISHED, { force: true });
      throw error;
    }
  }

  /** A chain without what was named on top of it and never made: an earlier process ended before that. */
  async made(chain: DiskChain): Promise<DiskChain> {
    const layers = [...chain.layers];
    while (layers[0] !== undefined && !(await isThere(this.path(layers[0])))) layers.shift();
    return { ...chain, layers };
  }

  /** Has a microVM that stands still go on with the top layer of a chain, which has been made, above its disk. */
  async stack(disk: LiveDisk, [top]: readonly string[]): Promise<void> {
    if (top === undefined) throw new Error("a disk without a layer of its own");
    await this.#disks.stack(disk, this.path(top));
  }

  /** Makes a layer over the lowest one of a chain that holds what those between it and the top hold together. */
  async merge({ layers, base }: DiskChain, merged: string): Promise<void> {
    const kept = { layers: layers.slice(-1), base };
    await this.createTop({ layers: [merged, ...kept.layers], base });
    await this.#disks.merge(this.image({ layers, base }), this.image(kept), this.path(merged));
    await this.sync(merged);
  }

  /**
   * Takes a layer out of the hands of a VMM that could write it, and that has another one above it now: from here on the
   * layer is a copy that no VMM can write, and the VMM goes on with the former file, which gets the name `former`. The
   * copy is durable when this resolves. Does nothing where that has been done. Throws `host_disk_full`.
   */
  async close(id: string, former: string, promise: PromiseDisk): Promise<void> {
    const path = this.path(id);
    const { mode, blocks } = await stat(path);
    if ((mode & MODE.writable) === MODE.closed) return;
    const written = await promise(blocks * 512);
    try {
      await rm(former, { force: true });
      await link(path, former);
      await copyDurably(path, path, MODE.closed);
    } catch (error) {
      throw explainFullDisk(error, "the disk of the sandbox could not be copied");
    } finally {
      written();
    }
  }

  /**
   * Takes over an immutable layer from elsewhere, by a hard link where possible. It is kept until the returned function
   * is called, by which time something names it.
   */
  async take(id: string, source: string): Promise<() => void> {
    this.#held.add(id);
    try {
      await linkOrCopy(source, this.path(id));
      await this.sync(id);
    } catch (error) {
      this.#held.delete(id);
      throw error;
    }
    return () => void this.#held.delete(id);
  }

  /** Gives a layer a second place, in another directory. */
  async giveTo(id: string, directory: string): Promise<void> {
    await linkOrCopy(this.path(id), join(directory, this.fileName(id)));
  }

  /** Makes a layer that is no longer written, and its name, durable. */
  async sync(id: string): Promise<void> {
    await this.#disks.sync(this.path(id));
  }

  /** Allocated bytes of some layers. */
  async allocatedBytes(ids: readonly string[]): Promise<number> {
    const sizes = await Promise.all(ids.map((id) => this.#disks.allocatedBytes(this.path(id))));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /**
   * Removes the layers that nothing names. `named` is called after the files were listed, so that a layer that is
   * named and made meanwhile is never taken for garbage.
   */
  async collect(named: () => Promise<ReadonlySet<string>> | ReadonlySet<string>): Promise<void> {
    const ids = (await readdir(this.#directory))
      .filter((name) => name.endsWith(this.#disks.suffix))
      .map((name) => name.slice(0, -this.#disks.suffix.length));
    const needed = await named();
    for (const id of ids) {
      if (!LAYER_ID.test(id) || needed.has(id) || this.#held.has(id)) continue;
      await rm(this.path(id), { force: true });
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "EXDEV" && code !== "EMLINK") throw error;
    await copyDurably(source, target, MODE.writable);
  }
}
