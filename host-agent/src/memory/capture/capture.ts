import { WarrenError } from "@warren/contracts/errors";
import type { PromiseDisk } from "../image-cache/image-cache.ts";
import { groupsOf, PAGE_SIZE, type PageRange, totalLength } from "../pages.ts";
import { explainFullDisk } from "../store/files.ts";
import type { LayerRecord, MemoryHeader } from "../store/header.ts";
import { LayerWriter } from "../store/layer-writer.ts";
import { blankMapping, bytesByLayer, overlay } from "../store/mapping.ts";
import { GENERATION_CAP, mergeLayers } from "../store/merge.ts";
import type { PendingLayer } from "../store/pending-layer.ts";
import { type Lease, type MemoryStore, newId } from "../store/store.ts";
import { COPY_BUFFER_LENGTH } from "./copy-buffers.ts";
import type { GuestMemory } from "./dirty-pages.ts";

/** What a capture took. */
export interface CaptureFigures {
  /** Pages that the guest has written since its memory was restored. */
  dirtyPages: number;
  /** Finding them took this long. */
  scanMs: number;
  /** Copying them took this long. */
  copyMs: number;
  /** Whether they were too many for memory and went straight to the layer's file. */
  streamed: boolean;
}

/**
 * The memory of a guest at one instant, copied and out of the guest's reach: its vCPUs may run again, or its VMM may
 * end. Exactly one of `publish` and `discard` is to be called.
 */
export interface Capture {
  /** Id of the header to be. */
  readonly id: string;
  readonly figures: CaptureFigures;
  /** Writes, checksums, fsyncs and publishes. When it fails, nothing of the capture is left. */
  publish(): Promise<MemoryHeader>;
  /** Drops the copy. */
  discard(): Promise<void>;
}

/**
 * Copies the dirty pages of a guest whose vCPUs stand still, relative to the header that its memory was restored from;
 * null = it was blank. A few thousand pages are copied to memory and everything else is left to `publish`. More than
 * fit there stream through fixed buffers into the layer's file while they are looked through for zero pages and
 * checksummed, so that the host agent's memory stays bounded and no page is touched twice. `promiseDisk` is asked for the
 * bytes first, and told when they are written or dropped.
 */
export async function captureLayer(
  store: MemoryStore,
  memory: GuestMemory,
  parentId: string | null,
  promiseDisk: PromiseDisk = async () => () => undefined,
): Promise<Capture> {
  const pin = parentId === null ? null : store.pin(parentId);
  let written = (): void => undefined;
  try {
    const started = performance.now();
    const ranges = await memory.dirtyRanges();
    const scanned = performance.now();
    const bytes = totalLength(ranges);
    written = await promiseDisk(bytes);
    const buffers = store.buffers.tryTake(bytes);
    const pages = buffers
      ? await HeldPages.copy(store, memory, ranges, buffers, parentId)
      : await StreamedPages.copy(store, memory, ranges, parentId);
    const figures = {
      dirtyPages: bytes / PAGE_SIZE,
      scanMs: scanned - started,
      copyMs: performance.now() - scanned,
      streamed: buffers === undefined,
    };
    return new PendingCapture(store, memory.length, parentId, figures, pages, async () => {
      written();
      await pin?.release();
    });
  } catch (error) {
    written();
    await pin?.release();
    throw explainFullDisk(error, "the memory of the sandbox could not be saved");
  }
}

/** Pages between the two steps of a capture. */
interface CopiedPages {
  /** Writes what is not written yet and makes the layer durable. */
  finish(): Promise<WrittenLayer>;
  discard(): Promise<void>;
}

interface WrittenLayer extends Awaited<ReturnType<LayerWriter["finish"]>> {
  pending: PendingLayer | null;
}

class PendingCapture implements Capture {
  readonly id = newId();
  readonly figures: CaptureFigures;
  readonly #store: MemoryStore;
  readonly #memorySize: number;
  readonly #parentId: string | null;
  readonly #pages: CopiedPages;
  readonly #unpin: () => Promise<void>;

  constructor(
    store: MemoryStore,
    memorySize: number,
    parentId: string | null,
    figures: CaptureFigures,
    pages: CopiedPages,
    unpin: () => Promise<void>,
  ) {
    this.#store = store;
    this.#memorySize = memorySize;
    this.#parentId = parentId;
    this.figures = figures;
    this.#pages = pages;
    this.#unpin = unpin;
  }

  async publish(): Promise<MemoryHeader> {
    try {
      return await this.#publish();
    } catch (error) {
      throw explainFullDisk(error, "the memory of the sandbox could not be saved");
    } finally {
      await this.discard();
    }
  }

  async discard(): Promise<void> {
    await this.#pages.discard();
    await this.#unpin();
  }

  async #publish(): Promise<MemoryHeader> {
    const parentId = this.#parentId;
    const written = await this.#pages.finish();
    if (parentId === null) return this.#publishOver(written, null);
    const lease = await this.#leaseParent(parentId);
    try {
      return await this.#publishOver(written, lease.header);
    } finally {
      lease.end();
    }
  }

  /** Merging in the background keeps a parent well below the limit; one that it never reached is merged here. */
  async #leaseParent(parentId: string): Promise<Lease> {
    const lease = await this.#store.lease(parentId);
    if (lease.header.layers.length < 2 * GENERATION_CAP) return lease;
    lease.end();
    await mergeLayers(this.#store, parentId);
    return this.#store.lease(parentId);
  }

  async #publishOver({ entries, record, pending }: WrittenLayer, parent: MemoryHeader | null): Promise<MemoryHeader> {
    if (parent !== null && parent.memorySize !== this.#memorySize) {
      throw new WarrenError(
        "invalid_state",
        `memory ${parent.id} has ${parent.memorySize} bytes, and the microVM that runs on it ${this.#memorySize}`,
      );
    }
    const mapping = overlay(parent?.entries ?? blankMapping(this.#memorySize), entries);
    const needed = bytesByLayer(mapping);
    const layers: LayerRecord[] = (parent?.layers ?? []).filter((layer) => needed.has(layer.id));
    if (record !== null) layers.push(record);
    const header: MemoryHeader = {
      id: this.id,
      parentId: this.#parentId,
      memorySize: this.#memorySize,
      generation: (parent?.generation ?? -1) + 1,
      layers,
      entries: mapping,
    };
    await this.#store.publish(header, record === null ? null : pending);
    return header;
  }
}

/** Pages in buffers of this process. */
class HeldPages implements CopiedPages {
  readonly #store: MemoryStore;
  readonly #memorySize: number;
  readonly #groups: PageRange[][];
  readonly #buffers: Buffer[];
  readonly #parentId: string | null;
  #layer: PendingLayer | null = null;

  private constructor(
    store: MemoryStore,
    memorySize: number,
    groups: PageRange[][],
    buffers: Buffer[],
    parentId: string | null,
  ) {
    this.#store = store;
    this.#memorySize = memorySize;
    this.#groups = groups;
    this.#buffers = buffers;
    this.#parentId = parentId;
  }

  static async copy(
    store: MemoryStore,
    memory: GuestMemory,
    ranges: PageRange[],
    buffers: Buffer[],
    parentId: string | null,
  ): Promise<HeldPages> {
    const groups = [...groupsOf(ranges, COPY_BUFFER_LENGTH)];
    const held = new HeldPages(store, memory.length, groups, buffers, parentId);
    const copies = await Promise.allSettled(groups.map((group, index) => memory.read(group, buffers[index]!)));
    const failed = copies.find((copy) => copy.status === "rejected");
    if (failed === undefined) return held;
    await held.discard();
    throw failed.reason;
  }

  async finish(): Promise<WrittenLayer> {
    if (this.#groups.length === 0) return { entries: [], record: null, pending: null };
    const layout = this.#parentId === null ? "image" : "packed";
    const layer = await this.#store.createLayer(layout);
    this.#layer = layer;
    const writer = new LayerWriter(layer.id, layer.file, layout, this.#memorySize);
    for (const [index, group] of this.#groups.entries()) {
      await writer.add(group, this.#buffers[index]!.subarray(0, totalLength(group)));
    }
    return { ...(await writer.finish()), pending: layer };
  }

  async discard(): Promise<void> {
    for (const buffer of this.#buffers.splice(0)) this.#store.buffers.give(buffer);
    await this.#layer?.discard();
  }
}

/** Pages that are in the layer's file already. */
class StreamedPages implements CopiedPages {
  readonly #layer: PendingLayer;
  readonly #writer: LayerWriter;

  private constructor(layer: PendingLayer, writer: LayerWriter) {
    this.#layer = layer;
    this.#writer = writer;
  }

  static async copy(
    store: MemoryStore,
    memory: GuestMemory,
    ranges: PageRange[],
    parentId: string | null,
  ): Promise<StreamedPages> {
    const layout = parentId === null ? "image" : "packed";
    const layer = await store.createLayer(layout);
    const writer = new LayerWriter(layer.id, layer.file, layout, memory.length);
    try {
      await stream(store, memory, ranges, writer);
    } catch (error) {
      await layer.discard();
      throw error;
    }
    return new StreamedPages(layer, writer);
  }

  async finish(): Promise<WrittenLayer> {
    return { ...(await this.#writer.finish()), pending: this.#layer };
  }

  async discard(): Promise<void> {
    await this.#layer.discard();
  }
}

/** Reads the next pages while earlier ones are being written. Settles when no write is under way any more. */
async function stream(
  store: MemoryStore,
  memory: GuestMemory,
  ranges: PageRange[],
  writer: LayerWriter,
): Promise<void> {
  const writes: Promise<void>[] = [];
  let failed = false;
  const write = async (group: PageRange[], buffer: Buffer) => {
    try {
      await writer.add(group, buffer.subarray(0, totalLength(group)));
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      store.buffers.give(buffer);
    }
  };
  try {
    for (const group of groupsOf(ranges, COPY_BUFFER_LENGTH)) {
      const buffer = await store.buffers.take();
      if (failed) {
        store.buffers.give(buffer);
        break;
      }
      try {
        await memory.read(group, buffer);
      } catch (error) {
        store.buffers.give(buffer);
        throw error;
      }
      writes.push(write(group, buffer));
    }
  } finally {
    await Promise.allSettled(writes);
  }
  await Promise.all(writes);
}
