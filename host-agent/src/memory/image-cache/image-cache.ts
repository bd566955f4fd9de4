import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { MemoryFile } from "../guest-memory.ts";
import { totalLength } from "../pages.ts";
import { errorCode, explainFullDisk, hostFiles, removeIfThere, TEMPORARY } from "../store/files.ts";
import { encodeHeader, type MemoryHeader, parseHeader } from "../store/header.ts";
import type { MappingEntry } from "../store/mapping.ts";
import { PinCounts } from "../store/pins.ts";
import type { MemoryStore, Pin } from "../store/store.ts";
import { composeImage, updateImage } from "./compose.ts";
import { type SealedImage, SealedImages } from "./sealed-images.ts";

/** A file that a VMM maps MAP_PRIVATE as guest memory. */
export interface MemoryImage extends MemoryFile {
  /** Header that the memory is; null for blank memory. */
  readonly headerId: string | null;
  /** To be called when no VMM maps the file any more. */
  release(): Promise<void>;
}

/** Promises bytes of disk until the result is called; throws `host_disk_full` when they are not there. */
export type PromiseDisk = (bytes: number) => Promise<() => void>;

export interface ImageCacheOptions {
  /** Asked for the bytes of an image before it is composed. */
  promiseDisk?: PromiseDisk;
  /** VMMs open for writing what they map. */
  opensForWriting?: boolean;
}

const IMAGE_NAME = /^([0-9a-f]{32})\.image$/;
/** Blank memory of one microVM. */
const OWN_BLANK_NAME = /^blank-[0-9a-f-]{36}$/;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * The files behind the memories of running microVMs. A header that is one whole image is mapped as it is; any other is
 * composed into a file here. Where VMMs open what they map for writing, none gets a file that anybody else reads: memory
 * that many start from is sealed, and one file is one microVM's.
 *
 * Composed files are a cache: they are never fsynced, they do not outlive the boot of the
 * host, and those that no microVM maps go when the cache outgrows its limit, least recently used first.
 */
export class ImageCache {
  readonly #store: MemoryStore;
  readonly #directory: string;
  readonly #limitBytes: number;
  readonly #promiseDisk: PromiseDisk;
  readonly #pins = new PinCounts();
  /** Composed images, least recently used first, with their allocated bytes. */
  readonly #images = new Map<string, number>();
  readonly #composing = new Map<string, Promise<void>>();
  readonly #removing = new Map<string, Promise<void>>();
  readonly #opensForWriting: boolean;
  readonly #sealed: SealedImages;
  /** Composed images that a VMM has had open for writing: they may hold anything. */
  readonly #given = new Set<string>();
  /** Files that are a microVM's own at present. */
  readonly #own = new Set<string>();

  private constructor(
    store: MemoryStore,
    directory: string,
    limitBytes: number,
    { promiseDisk = async () => () => undefined, opensForWriting = false }: ImageCacheOptions,
  ) {
    this.#store = store;
    this.#directory = directory;
    this.#limitBytes = limitBytes;
    this.#promiseDisk = promiseDisk;
    this.#opensForWriting = opensForWriting;
    this.#sealed = new SealedImages((id) => store.layerPath(id));
  }

  /**
   * Opens the cache in a directory on the file system of the store. Images of this boot of the host stay, so that
   * running microVMs can be adopted: `adopt` those before anything else is called.
   */
  static async open(
    store: MemoryStore,
    directory: string,
    limitBytes: number,
    options: ImageCacheOptions = {},
  ): Promise<ImageCache> {
    const cache = new ImageCache(store, directory, limitBytes, options);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const bootId = (await readFile(BOOT_ID, "latin1")).trim();
    const sameBoot = (await readIfThere(join(directory, "boot-id")))?.toString("latin1") === bootId;
    const names = await readdir(directory);
    for (const name of names) {
      const id = IMAGE_NAME.exec(name)?.[1];
      const debris =
        name.endsWith(TEMPORARY) || (name.endsWith(".map") && !names.includes(name.replace(".map", ".image")));
      if (!sameBoot || debris) await unlink(join(directory, name));
      else if (id !== undefined) await cache.#measure(id);
    }
    if (cache.#opensForWriting) for (const id of cache.#images.keys()) cache.#given.add(id);
    if (!sameBoot) await writeFile(join(directory, "boot-id"), bootId);
    return cache;
  }

  /** Allocated bytes of all composed images. */
  get bytes(): number {
    return [...this.#images.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Bytes of the host's memory that sealed images may take. */
  get sealedBytes(): number {
    return this.#sealed.bytes;
  }

  /** The image of blank memory, for a microVM that boots. */
  async acquireBlank(memorySize: number): Promise<MemoryImage> {
    const own = this.#opensForWriting;
    const path = join(this.#directory, own ? `blank-${randomUUID()}` : `blank-${memorySize}`);
    const file = await open(path, "a", 0o600);
    try {
      await file.truncate(memorySize);
    } finally {
      await file.close();
    }
    return this.#blankImage(path);
  }

  /**
   * The image of a header, composed if need be after a check of the layers. Keeps the header until it is released. The
   * memory of a single sandbox (`forOne`), to which it may come back, is put together on disk even for VMMs that open it for
   * writing; other memory is sealed for them.
   */
  async acquire(headerId: string, forOne = false): Promise<MemoryImage> {
    const image = this.#hold(headerId);
    try {
      const lease = await this.#store.lease(headerId);
      try {
        return await this.#provide(image, lease.header, forOne);
      } finally {
        lease.end();
      }
    } catch (error) {
      await image.release();
      throw error;
    }
  }

  async #provide(image: MemoryImage, header: MemoryHeader, forOne: boolean): Promise<MemoryImage> {
    if (!this.#opensForWriting) {
      if (isWholeImage(header)) {
        await this.#store.checkLayer(header.layers[0]!);
        return { ...image, path: this.#store.layerPath(header.layers[0]!.id) };
      }
      await this.#ensure(header);
      return image;
    }
    if (forOne && !this.#own.has(image.path)) return this.#provideOwn(image, header);
    const sealed = await this.#sealChecked(header);
    const release = async () => {
      sealed.giveBack();
      await image.release();
    };
    return { headerId: header.id, path: sealed.path, own: false, sealed: sealed.fd, release };
  }

  /** The sealed memory of a header, while whose copying the layers are checked. */
  async #sealChecked(header: MemoryHeader): Promise<SealedImage> {
    const [check, sealed] = await Promise.allSettled([this.#checkLayers(header), this.#sealed.take(header)]);
    if (check.status === "fulfilled" && sealed.status === "fulfilled") return sealed.value;
    if (sealed.status === "fulfilled") sealed.value.giveBack();
    throw check.status === "rejected" ? check.reason : (sealed as PromiseRejectedResult).reason;
  }

  async #checkLayers(header: MemoryHeader): Promise<void> {
    for (const layer of header.layers) await this.#store.checkLayer(layer);
  }

  /** Gives the composed image to one VMM, and never to another. */
  async #provideOwn(image: MemoryImage, header: MemoryHeader): Promise<MemoryImage> {
    this.#own.add(image.path);
    const release = async () => {
      this.#own.delete(image.path);
      await image.release();
    };
    try {
      if (this.#given.has(header.id) && this.#images.has(header.id)) await this.#remove(header.id);
      await this.#ensure(header);
      this.#given.add(header.id);
      return { ...image, own: true, release };
    } catch (error) {
      this.#own.delete(image.path);
      throw error;
    }
  }

  /** Composes the image of a header ahead of its use by many, where that is more than a check of its layers. */
  async prepare(headerId: string): Promise<void> {
    if (!this.#opensForWriting) return (await this.acquire(headerId)).release();
    const lease = await this.#store.lease(headerId);
    try {
      await this.#checkLayers(lease.header);
    } finally {
      lease.end();
    }
  }

  /**
   * Holds the image that a microVM from before a restart of the host agent maps, whose `headerId` and `path` are those
   * that it was given then. Reads and composes nothing.
   */
  adopt(headerId: string | null, path: string): MemoryImage {
    if (headerId === null) return this.#blankImage(path);
    const image = this.#hold(headerId, path);
    if (!this.#opensForWriting || path !== this.#path(headerId)) return image;
    this.#own.add(path);
    const release = async () => {
      this.#own.delete(path);
      await image.release();
    };
    return { ...image, own: true, release };
  }

  /** Removes unused images, least recently used first, until the others take no more than `limitBytes`. */
  async trim(limitBytes = this.#limitBytes): Promise<void> {
    let bytes = this.bytes;
    for (const [id, size] of [...this.#images]) {
      if (bytes <= limitBytes) return;
      if (this.#pins.has(id) || this.#composing.has(id)) continue;
      await this.#remove(id);
      bytes -= size;
    }
  }

  /** Removes images whose header is gone, but for those that the image of a child may still be made of. */
  async collect(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      if (OWN_BLANK_NAME.test(name) && !this.#own.has(path)) await removeIfThere(hostFiles, path);
    }
    const orphans = new Set<string>();
    for (const id of this.#images.keys()) {
      if (!this.#pins.has(id) && !(await this.#store.has(id))) orphans.add(id);
    }
    if (orphans.size === 0) return;
    for (const id of await this.#store.list()) {
      // A header that goes at this moment needs no donor.
      const summary = await this.#store.summary(id).catch(() => undefined);
      if (summary?.parentId && !this.#images.has(id)) orphans.delete(summary.parentId);
    }
    for (const id of orphans) {
      if (this.#images.has(id) && !this.#pins.has(id) && !this.#composing.has(id)) await this.#remove(id);
    }
  }

  #hold(headerId: string, path = this.#path(headerId)): MemoryImage {
    const pin: Pin = this.#store.pin(headerId);
    const unpin = this.#pins.add(headerId);
    return {
      headerId,
      path,
      own: false,
      release: async () => {
        unpin();
        await pin.release();
        await this.trim();
      },
    };
  }

  /** Sees to it that the image of a header exists; callers at the same time share the work. */
  async #ensure(header: MemoryHeader): Promise<void> {
    await this.#removing.get(header.id);
    const known = this.#images.get(header.id);
    if (known !== undefined) {
      this.#images.delete(header.id);
      this.#images.set(header.id, known);
      return;
    }
    let work = this.#composing.get(header.id);
    if (work === undefined) {
      work = this.#compose(header).finally(() => this.#composing.delete(header.id));
      this.#composing.set(header.id, work);
    }
    await work;
  }

  async #compose(header: MemoryHeader): Promise<void> {
    const temporary = this.#path(header.id) + TEMPORARY;
    try {
      try {
        await this.#write(header, temporary);
      } catch (error) {
        if (errorCode(error) !== "ENOSPC" && errorCode(error) !== "host_disk_full") throw error;
        await removeIfThere(hostFiles, temporary);
        await this.trim(0);
        await this.#write(header, temporary);
      }
      await writeFile(this.#mapPath(header.id), encodeHeader(header), { mode: 0o600 });
      await rename(temporary, this.#path(header.id));
    } catch (error) {
      await removeIfThere(hostFiles, temporary);
      throw explainFullDisk(error, "the memory of the sandbox could not be prepared");
    }
    await this.#measure(header.id);
    await this.trim();
  }

  async #write(header: MemoryHeader, path: string): Promise<void> {
    await this.#checkLayers(header);
    const layerPath = (id: string) => this.#store.layerPath(id);
    const donor = await this.#takeDonor(header, path);
    if (donor !== undefined) return updateImage(path, donor, header.entries, layerPath);
    const written = await this.#promiseDisk(totalLength(header.entries.filter(({ layer }) => layer !== null)));
    try {
      await composeImage(path, header.entries, header.memorySize, layerPath);
    } finally {
      written();
    }
  }

  /**
   * Takes over the image that the memory was restored from when nobody can want it any more, which saves copying all
   * that has not changed since. Returns what it holds.
   */
  async #takeDonor(header: MemoryHeader, path: string): Promise<MappingEntry[] | undefined> {
    const id = header.parentId;
    if (id === null || (await this.#store.has(id)) || this.#pins.has(id) || !this.#images.delete(id)) return undefined;
    this.#given.delete(id);
    const map = await readIfThere(this.#mapPath(id));
    await rename(this.#path(id), path);
    await removeIfThere(hostFiles, this.#mapPath(id));
    if (map === undefined) {
      await removeIfThere(hostFiles, path);
      return undefined;
    }
    return parseHeader(map).entries;
  }

  async #measure(id: string): Promise<void> {
    this.#images.set(id, (await stat(this.#path(id))).blocks * 512);
  }

  async #remove(id: string): Promise<void> {
    this.#images.delete(id);
    this.#given.delete(id);
    const removal = removeIfThere(hostFiles, this.#path(id)).then(() => removeIfThere(hostFiles, this.#mapPath(id)));
    this.#removing.set(id, removal);
    await removal.finally(() => this.#removing.delete(id));
  }

  /** Blank memory needs no header to stay. */
  #blankImage(path: string): MemoryImage {
    const own = OWN_BLANK_NAME.test(basename(path));
    if (own) this.#own.add(path);
    const release = async () => {
      if (!own) return;
      this.#own.delete(path);
      await removeIfThere(hostFiles, path);
    };
    return { headerId: null, path, own, release };
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.image`);
  }

  /** The header as it was when the image was composed. */
  #mapPath(id: string): string {
    return join(this.#directory, `${id}.map`);
  }
}

/** Whether the file of the only layer holds the memory as it is: every page at its offset, and holes for zero pages. */
function isWholeImage({ layers, entries, memorySize }: MemoryHeader): boolean {
  const [layer] = layers;
  if (layer === undefined || layers.length > 1 || layer.size !== memorySize) return false;
  let provided = 0;
  for (const entry of entries) {
    if (entry.layer === null) continue;
    if (entry.storageOffset !== entry.offset) return false;
    provided += entry.length;
  }
  return provided === layer.storedBytes;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
