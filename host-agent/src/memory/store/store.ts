import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { CopyBuffers } from "../capture/copy-buffers.ts";
import {
  errorCode,
  exists,
  explainFullDisk,
  type FileSystem,
  hostFiles,
  removeIfThere,
  type StoredFile,
  TEMPORARY,
} from "./files.ts";
import {
  DamagedSnapshotError,
  encodeHeader,
  type HeaderSummary,
  LAYER_RECORD_LENGTH,
  type LayerRecord,
  MAX_LAYERS,
  type MemoryHeader,
  PREFIX_LENGTH,
  parseHeader,
  parseSummary,
} from "./header.ts";
import { checkLayerContent, checkLayerSize } from "./layer-check.ts";
import type { LayerLayout } from "./layer-writer.ts";
import { createPendingLayer, type PendingLayer } from "./pending-layer.ts";
import { PinCounts } from "./pins.ts";

const HEADER_NAME = /^([0-9a-f]{32})\.header$/;
const LAYER_NAME = /^([0-9a-f]{32})\.layer$/;

/** Settings of a store. */
export interface MemoryStoreOptions {
  files?: FileSystem;
  /** Copy buffers, of 4 MiB each, for guest memory whose vCPUs may be standing still; at least 1. */
  captureBuffers?: number;
  /** Copy buffers for work in the background, of its own so that it never delays a capture; at least 1. */
  backgroundBuffers?: number;
}

/** Keeps a header, and with it its layers, for as long as it is held. */
export interface Pin {
  /** Lets go. When this was the last pin of a released header, the header is removed. */
  release(): Promise<void>;
}

/** A header whose layers stay until the lease ends. */
export interface Lease {
  readonly header: MemoryHeader;
  end(): void;
}

/**
 * Guest memories on disk: immutable layers, and headers that say which pages of a memory lie in which layer. A header
 * is published by one rename after everything it needs is durable, so each is there whole or not at all. Whether a
 * layer is still needed follows from the headers on disk alone; pins, which live in this process, only ever keep more.
 * One process at a time may have a directory open.
 */
export class MemoryStore {
  readonly directory: string;
  readonly files: FileSystem;
  /** For captures. */
  readonly buffers: CopyBuffers;
  /** For all other work. */
  readonly backgroundBuffers: CopyBuffers;
  readonly #headerPins = new PinCounts();
  readonly #layerPins = new PinCounts();
  /** Headers to remove with their last pin. */
  readonly #released = new Set<string>();
  /** Layers that were found unchanged, or were written, by this process. */
  readonly #intact = new Set<string>();
  /** Layers that were pinned at any time since a collection began; undefined when none is under way. */
  #pinnedDuringCollection: Set<string> | undefined;
  #collecting: Promise<unknown> = Promise.resolve();
  /** Headers that were given other layers so far. */
  #switches = 0;
  /** Changes to the directory of headers, one after the other. */
  #change: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, files: FileSystem, buffers: CopyBuffers, background: CopyBuffers) {
    this.directory = directory;
    this.files = files;
    this.buffers = buffers;
    this.backgroundBuffers = background;
  }

  /** Opens a store, making it if need be, and removes what an earlier process left half written. */
  static async open(directory: string, options: MemoryStoreOptions = {}): Promise<MemoryStore> {
    const { files = hostFiles, captureBuffers = 6, backgroundBuffers = 2 } = options;
    const store = new MemoryStore(
      directory,
      files,
      await CopyBuffers.allocate(captureBuffers),
      await CopyBuffers.allocate(backgroundBuffers),
    );
    for (const path of [directory, store.headerDirectory, store.layerDirectory]) await files.makeDirectory(path);
    await files.syncDirectory(directory);
    await files.syncDirectory(dirname(directory));
    for (const path of [store.headerDirectory, store.layerDirectory]) {
      for (const name of await files.list(path)) {
        if (name.endsWith(TEMPORARY)) await files.remove(join(path, name));
      }
    }
    return store;
  }

  get headerDirectory(): string {
    return join(this.directory, "headers");
  }

  get layerDirectory(): string {
    return join(this.directory, "layers");
  }

  headerPath(id: string): string {
    return join(this.headerDirectory, `${id}.header`);
  }

  layerPath(id: string): string {
    return join(this.layerDirectory, `${id}.layer`);
  }

  /** Ids of all published headers, released ones left out. Files of other names are not the store's and are ignored. */
  async list(): Promise<string[]> {
    return (await this.listOnDisk()).filter((id) => !this.#released.has(id));
  }

  /** Ids of all header files: those of `list`, and released ones that wait for their last pin. */
  listOnDisk(): Promise<string[]> {
    return idsIn(this.files, this.headerDirectory, HEADER_NAME);
  }

  /** Ids of all layer files. */
  listLayers(): Promise<string[]> {
    return idsIn(this.files, this.layerDirectory, LAYER_NAME);
  }

  async has(id: string): Promise<boolean> {
    return !this.#released.has(id) && (await exists(this.files, this.headerPath(id)));
  }

  /** Reads and checks a header, and that each of its layers is there in full length. */
  async open(id: string): Promise<MemoryHeader> {
    const lease = await this.lease(id);
    try {
      for (const layer of lease.header.layers) await checkLayerSize(this.files, this.layerPath(layer.id), layer);
      return lease.header;
    } finally {
      lease.end();
    }
  }

  /** Reads a header and every byte of its layers, and throws DamagedSnapshotError when anything has changed. */
  async verify(id: string): Promise<void> {
    const lease = await this.lease(id);
    try {
      for (const layer of lease.header.layers) {
        this.#intact.delete(layer.id);
        await this.checkLayer(layer);
      }
    } finally {
      lease.end();
    }
  }

  /** Reads a layer whole and throws when it has changed; once per process and layer. */
  async checkLayer(layer: LayerRecord): Promise<void> {
    if (this.#intact.has(layer.id)) return;
    const buffer = await this.backgroundBuffers.take();
    try {
      await checkLayerContent(this.files, this.layerPath(layer.id), layer, buffer);
      this.#intact.add(layer.id);
    } finally {
      this.backgroundBuffers.give(buffer);
    }
  }

  /** The first part of a header, which names its layers. */
  async summary(id: string): Promise<HeaderSummary> {
    return this.#read(id, async (file, size) => {
      const prefix = Buffer.alloc(Math.min(size, PREFIX_LENGTH + MAX_LAYERS * LAYER_RECORD_LENGTH));
      await file.read(prefix, 0);
      return parseSummary(prefix);
    });
  }

  /** Reads a header and keeps its layers until the lease ends, whatever becomes of the header. */
  async lease(id: string): Promise<Lease> {
    for (;;) {
      const switches = this.#switches;
      const pin = this.pin(id);
      try {
        const header = await this.#read(id, async (file, size) => {
          const content = Buffer.alloc(size);
          await file.read(content, 0);
          return parseHeader(content);
        });
        // A header that was switched to other layers meanwhile may have lost those that were read here.
        if (switches !== this.#switches) continue;
        const ends = header.layers.map((layer) => this.pinLayer(layer.id));
        return { header, end: () => ends.forEach((end) => void end()) };
      } finally {
        await pin.release();
      }
    }
  }

  /**
   * Keeps a header until the pin is released: for as long as a microVM runs on its memory. A released header can be
   * pinned for as long as others pin it.
   */
  pin(id: string): Pin {
    if (this.#released.has(id) && !this.#headerPins.has(id)) throw notFound(id);
    const unpin = this.#headerPins.add(id);
    return {
      release: async () => {
        if (unpin() && this.#released.has(id)) await this.#removeHeader(id);
      },
    };
  }

  /** Keeps a layer file until the returned function is called. */
  pinLayer(id: string): () => void {
    this.#pinnedDuringCollection?.add(id);
    return this.#layerPins.add(id);
  }

  /**
   * Gives a header up. It is removed at once, or with its last pin; a process that ends before leaves it in the list.
   * Its layers go with the next collection, unless other headers need them. Unknown ids are no error.
   */
  async release(id: string): Promise<void> {
    this.#released.add(id);
    if (!this.#headerPins.has(id)) await this.#removeHeader(id);
  }

  /** Begins a layer. */
  async createLayer(layout: LayerLayout): Promise<PendingLayer> {
    const id = newId();
    const unpin = this.pinLayer(id);
    return createPendingLayer(this.files, id, this.layerPath(id), layout, unpin);
  }

  /**
   * Publishes a new header, and with it the layer that was written for it, whose content must be durable. Resolves when
   * both survive a loss of power; when it fails, neither is there.
   */
  async publish(header: MemoryHeader, layer: PendingLayer | null): Promise<void> {
    await this.#publish(header, layer, async (rename) => {
      await rename();
      try {
        await this.files.syncDirectory(this.headerDirectory);
      } catch (error) {
        await this.files.remove(this.headerPath(header.id));
        throw error;
      }
    });
  }

  /**
   * Switches a published header to other layers with the same content. Resolves to false, and changes nothing, when the
   * header is gone.
   */
  async replace(header: MemoryHeader, layer: PendingLayer): Promise<boolean> {
    let done = false;
    await this.#publish(header, layer, async (rename) => {
      if (!(await exists(this.files, this.headerPath(header.id)))) return;
      await rename();
      this.#switches++;
      done = true;
      await this.files.syncDirectory(this.headerDirectory);
    });
    return done;
  }

  /** Runs collections one after the other, each with the set of layers pinned at any time since it began. */
  collection<T>(collect: (pinned: ReadonlySet<string>) => Promise<T>): Promise<T> {
    const result = this.#collecting.then(async () => {
      const pinned = new Set(this.#layerPins.ids());
      this.#pinnedDuringCollection = pinned;
      try {
        return await collect(pinned);
      } finally {
        this.#pinnedDuringCollection = undefined;
      }
    });
    this.#collecting = result.catch(() => undefined);
    return result;
  }

  /** Removes the file of a layer that nothing needs. */
  async removeLayer(id: string): Promise<void> {
    this.#intact.delete(id);
    await removeIfThere(this.files, this.layerPath(id));
  }

  async #publish(
    header: MemoryHeader,
    layer: PendingLayer | null,
    switchOver: (rename: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const content = encodeHeader(header);
    // What this process could not read back must not be relied on.
    parseHeader(content);
    const temporary = this.headerPath(newId()) + TEMPORARY;
    let renamed = false;
    const rename = async () => {
      await this.files.rename(temporary, this.headerPath(header.id));
      renamed = true;
    };
    try {
      await this.#writeHeader(temporary, content);
      if (layer !== null) {
        await layer.place();
        this.#intact.add(layer.id);
        await this.files.syncDirectory(this.layerDirectory);
      }
      await this.#inTurn(() => switchOver(rename));
    } catch (error) {
      throw explainFullDisk(error, "the memory of the sandbox could not be saved");
    } finally {
      if (!renamed) await removeIfThere(this.files, temporary);
      await layer?.discard();
    }
  }

  async #writeHeader(path: string, content: Buffer): Promise<void> {
    const file = await this.files.create(path, { direct: false });
    try {
      await file.write(content, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #removeHeader(id: string): Promise<void> {
    await this.#inTurn(async () => {
      await removeIfThere(this.files, this.headerPath(id));
      this.#released.delete(id);
      await this.files.syncDirectory(this.headerDirectory);
    });
  }

  async #read<T extends { id: string }>(id: string, parse: (file: StoredFile, size: number) => Promise<T>): Promise<T> {
    const file = await this.files.open(this.headerPath(id)).catch((error: unknown) => {
      throw errorCode(error) === "ENOENT" ? notFound(id) : error;
    });
    try {
      const header = await parse(file, await file.size());
      if (header.id === id) return header;
      throw new DamagedSnapshotError("foreign", `the file of memory ${id} holds that of ${header.id}`);
    } catch (error) {
      if (!(error instanceof DamagedSnapshotError)) throw error;
      throw new DamagedSnapshotError(error.fault, `memory ${id}: ${error.message}`, { cause: error });
    } finally {
      await file.close();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#change.then(work);
    this.#change = result.catch(() => undefined);
    return result;
  }
}

/** A new id of a header or layer: 128 random bits. */
export function newId(): string {
  return randomBytes(16).toString("hex");
}

async function idsIn(files: FileSystem, directory: string, pattern: RegExp): Promise<string[]> {
  return (await files.list(directory)).flatMap((name) => pattern.exec(name)?.[1] ?? []);
}

function notFound(id: string): WarrenError {
  return new WarrenError("not_found", `there is no saved memory ${id}`);
}
