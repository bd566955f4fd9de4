import { randomBytes } from "node:crypto";
import { copyFile, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DiskImage } from "../vmm/vmm.ts";
import type { BaseImage, DiskStore } from "./disk.ts";

const LAYER_NAME = /^([0-9a-f]{32})\.qcow2$/;

/** A disk as a record keeps it: ids of its layers from the top down, and the image below them. */
export interface DiskChain {
  layers: string[];
  base: BaseImage;
}

/**
 * The layers of all disks of a data directory, `disks/{id}.qcow2`. A layer that has another one above it is never
 * written again, so that disks may share it. Whoever makes a layer names it in a record first: what no record names is
 * garbage.
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
    return new DiskLayers(directory, disks);
  }

  /** Id for a layer that is to be made. */
  newId(): string {
    return randomBytes(16).toString("hex");
  }

  path(id: string): string {
    return join(this.#directory, `${id}.qcow2`);
  }

  /** The files of a chain. */
  image({ layers, base }: DiskChain): DiskImage {
    return {
      layers: [
        ...layers.map((id) => ({ path: this.path(id), format: "qcow2" as const })),
        { path: base.path, format: base.format },
      ],
    };
  }

  /** Makes the top layer of a chain whose other layers stand. */
  async createTop(chain: DiskChain): Promise<void> {
    const [top, ...below] = chain.layers;
    if (top === undefined) throw new Error("a disk without a layer of its own");
    if (below.length === 0) await this.#disks.create(this.path(top), chain.base);
    else await this.#disks.stack(this.path(top), this.image({ layers: below, base: chain.base }));
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
    await linkOrCopy(this.path(id), join(directory, `${id}.qcow2`));
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
    const ids = (await readdir(this.#directory)).map((name) => LAYER_NAME.exec(name)?.[1]);
    const needed = await named();
    for (const id of ids) {
      if (id === undefined || needed.has(id) || this.#held.has(id)) continue;
      await rm(this.path(id), { force: true });
    }
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "EXDEV" && code !== "EMLINK") throw error;
    await copyFile(source, `${target}.tmp`);
    await rename(`${target}.tmp`, target);
  }
}
