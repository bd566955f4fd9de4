/** Bytes of a page: the unit of everything that is recorded of guest memory. */
export const PAGE_SIZE = 4096;

/** A stretch of guest memory or of a file. Both figures are bytes and multiples of the page size. */
export interface PageRange {
  offset: number;
  length: number;
}

/** Bytes in all ranges together. */
export function totalLength(ranges: readonly PageRange[]): number {
  let bytes = 0;
  for (const range of ranges) bytes += range.length;
  return bytes;
}

/** Cuts ranges into groups of at most `bytes` each, in the same order; a range that crosses a border is divided. */
export function* groupsOf(ranges: readonly PageRange[], bytes: number): Generator<PageRange[]> {
  let group: PageRange[] = [];
  let room = bytes;
  for (const range of ranges) {
    let { offset, length } = range;
    while (length > 0) {
      const part = Math.min(length, room);
      group.push({ offset, length: part });
      offset += part;
      length -= part;
      room -= part;
      if (room === 0) {
        yield group;
        group = [];
        room = bytes;
      }
    }
  }
  if (group.length > 0) yield group;
}
