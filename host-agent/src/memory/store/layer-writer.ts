import { PAGE_SIZE, type PageRange } from "../pages.ts";
import { ChecksumBuilder } from "./checksums.ts";
import type { StoredFile } from "./files.ts";
import type { LayerRecord } from "./header.ts";
import { append, type MappingEntry } from "./mapping.ts";

/**
 * How pages lie in a layer file. `image`: each at its offset in guest memory, with holes between, so that the file can
 * be mapped as it is. `packed`: one after the other.
 */
export type LayerLayout = "image" | "packed";

/** Writes that are under way at once: as many as Node has threads for them. */
const WRITES_AT_ONCE = 4;
const ZERO_PAGE = Buffer.alloc(PAGE_SIZE);

/** Writes the pages of one layer in ascending order: finds zero pages, computes checksums, records the mapping. */
export class LayerWriter {
  readonly #id: string;
  readonly #file: StoredFile;
  readonly #layout: LayerLayout;
  readonly #memorySize: number;
  readonly #checksums = new ChecksumBuilder();
  readonly #entries: MappingEntry[] = [];
  #storedBytes = 0;

  constructor(id: string, file: StoredFile, layout: LayerLayout, memorySize: number) {
    this.#id = id;
    this.#file = file;
    this.#layout = layout;
    this.#memorySize = memorySize;
  }

  /**
   * Takes the pages of `ranges`, which lie back to back in `pages`, and resolves when they are written. Pages must come
   * in ascending order over all calls; calls need not wait for each other. `pages` is the writer's until then.
   */
  async add(ranges: readonly PageRange[], pages: Buffer): Promise<void> {
    // Up to the first await, everything happens in the order of the calls.
    const writes = this.#layout === "packed" ? this.#packed(ranges, pages) : this.#inPlace(ranges, pages);
    for (const { position, data } of writes) this.#checksums.update(position, data);
    await this.#writeAll(writes);
  }

  /** Ends the file and makes it durable. */
  async finish(): Promise<{ entries: MappingEntry[]; record: LayerRecord | null }> {
    if (this.#storedBytes === 0) return { entries: this.#entries, record: null };
    const size = this.#layout === "packed" ? this.#storedBytes : this.#memorySize;
    if (this.#layout === "image") await this.#file.truncate(size);
    await this.#file.sync();
    return {
      entries: this.#entries,
      record: { id: this.#id, size, storedBytes: this.#storedBytes, checksums: this.#checksums.finish(size) },
    };
  }

  /** Moves the pages that are not zero together at the start of `pages`. */
  #packed(ranges: readonly PageRange[], pages: Buffer): Write[] {
    const start = this.#storedBytes;
    let kept = 0;
    forEachRun(ranges, pages, (offset, position, length, zero) => {
      if (!zero) {
        if (kept !== position) pages.copyWithin(kept, position, position + length);
        kept += length;
      }
      this.#record(offset, length, zero, this.#storedBytes);
    });
    return kept === 0 ? [] : [{ position: start, data: pages.subarray(0, kept) }];
  }

  #inPlace(ranges: readonly PageRange[], pages: Buffer): Write[] {
    const writes: Write[] = [];
    forEachRun(ranges, pages, (offset, position, length, zero) => {
      if (!zero) writes.push({ position: offset, data: pages.subarray(position, position + length) });
      this.#record(offset, length, zero, offset);
    });
    return writes;
  }

  #record(offset: number, length: number, zero: boolean, storageOffset: number): void {
    if (zero) append(this.#entries, { offset, length, layer: null, storageOffset: 0 });
    else append(this.#entries, { offset, length, layer: this.#id, storageOffset });
    if (!zero) this.#storedBytes += length;
  }

  /** Writes with a bound on how many are under way. Settles when none is any more, so that the buffer is free then. */
  async #writeAll(writes: Write[]): Promise<void> {
    let next = 0;
    const worker = async () => {
      for (let write = writes[next++]; write !== undefined; write = writes[next++]) {
        await this.#file.write(write.data, write.position);
      }
    };
    const workers = Array.from({ length: Math.min(WRITES_AT_ONCE, writes.length) }, worker);
    for (const result of await Promise.allSettled(workers)) {
      if (result.status === "rejected") throw result.reason;
    }
  }
}

interface Write {
  position: number;
  data: Buffer;
}

/** Divides pages into runs that are zero throughout or not zero in any page. `position` is the place in `pages`. */
function forEachRun(
  ranges: readonly PageRange[],
  pages: Buffer,
  visit: (offset: number, position: number, length: number, zero: boolean) => void,
): void {
  const words = new Int32Array(pages.buffer, pages.byteOffset, pages.length / 4);
  let position = 0;
  for (const { offset, length } of ranges) {
    const end = position + length;
    while (position < end) {
      const start = position;
      const zero = isZeroPage(pages, words, position);
      do position += PAGE_SIZE;
      while (position < end && isZeroPage(pages, words, position) === zero);
      visit(offset + length - (end - start), start, position - start, zero);
    }
  }
}

/** Two words decide for nearly every page that is not zero; the rest is compared whole (memcmp). */
function isZeroPage(pages: Buffer, words: Int32Array, position: number): boolean {
  const word = position / 4;
  return (
    words[word] === 0 &&
    words[word + PAGE_SIZE / 8] === 0 &&
    ZERO_PAGE.equals(pages.subarray(position, position + PAGE_SIZE))
  );
}
