import type { GuestMemory } from "../capture/dirty-pages.ts";
import { PAGE_SIZE, type PageRange } from "../pages.ts";

/** Guest memory in a buffer, for tests of what happens to it after it was read. */
export class PlainMemory implements GuestMemory {
  readonly content: Buffer;
  readonly #dirty = new Set<number>();

  /** A memory that was restored with `content`; no page is dirty. */
  constructor(content: Buffer) {
    this.content = Buffer.from(content);
  }

  get length(): number {
    return this.content.length;
  }

  /** Fills a page, which makes it dirty. */
  fill(page: number, byte: number): void {
    this.content.fill(byte, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    this.#dirty.add(page);
  }

  async dirtyRanges(): Promise<PageRange[]> {
    const ranges: PageRange[] = [];
    for (const page of [...this.#dirty].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last !== undefined && last.offset + last.length === page * PAGE_SIZE) last.length += PAGE_SIZE;
      else ranges.push({ offset: page * PAGE_SIZE, length: PAGE_SIZE });
    }
    return ranges;
  }

  async read(ranges: readonly PageRange[], target: Uint8Array): Promise<void> {
    let position = 0;
    for (const { offset, length } of ranges) {
      target.set(this.content.subarray(offset, offset + length), position);
      position += length;
    }
  }

  async close(): Promise<void> {}
}
