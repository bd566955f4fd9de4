/**
 * Where each page of guest memory lives. A mapping is a list of entries, sorted by offset, that together cover the
 * memory exactly, with neighbours joined where they continue each other; so equal memories have one spelling.
 */
export interface MappingEntry {
  /** Bytes from the start of guest memory. */
  offset: number;
  /** Bytes. */
  length: number;
  /** Id of the layer that holds the pages; null = the pages are zero, whatever an older layer says. */
  layer: string | null;
  /** Where the first page lies in the layer's file, in bytes; 0 for zero pages. */
  storageOffset: number;
}

/** Memory that nobody has written: all zero. */
export function blankMapping(memorySize: number): MappingEntry[] {
  return [{ offset: 0, length: memorySize, layer: null, storageOffset: 0 }];
}

/** Whether `next` continues `previous`, so that the two are one entry. */
export function continues(previous: MappingEntry, next: MappingEntry): boolean {
  return (
    previous.offset + previous.length === next.offset &&
    previous.layer === next.layer &&
    (next.layer === null || previous.storageOffset + previous.length === next.storageOffset)
  );
}

/** Adds an entry at the end of a list, joined with the last one where it continues it. */
export function append(entries: MappingEntry[], entry: MappingEntry): void {
  const last = entries.at(-1);
  if (last !== undefined && continues(last, entry)) last.length += entry.length;
  else entries.push({ ...entry });
}

/** The mapping of a memory after `changes`, which are sorted and need not cover it, were laid over `base`. */
export function overlay(base: readonly MappingEntry[], changes: readonly MappingEntry[]): MappingEntry[] {
  const result: MappingEntry[] = [];
  let next = 0;
  let covered = 0;
  for (const entry of base) {
    const end = entry.offset + entry.length;
    let start = Math.max(entry.offset, covered);
    for (let change = changes[next]; change !== undefined && change.offset < end; change = changes[++next]) {
      if (change.offset > start) append(result, slice(entry, start, change.offset));
      append(result, change);
      start = covered = change.offset + change.length;
    }
    if (start < end) append(result, slice(entry, start, end));
  }
  return result;
}

/** The parts of `to` that come from elsewhere than in `from`: what must be written to turn the one into the other. */
export function difference(from: readonly MappingEntry[], to: readonly MappingEntry[]): MappingEntry[] {
  const result: MappingEntry[] = [];
  let index = 0;
  for (const entry of to) {
    const end = entry.offset + entry.length;
    let start = entry.offset;
    while (start < end) {
      const old = from[index];
      if (old === undefined) throw new RangeError("the mappings are of different length");
      const oldEnd = old.offset + old.length;
      const stop = Math.min(end, oldEnd);
      const part = slice(entry, start, stop);
      const before = slice(old, start, stop);
      if (part.layer !== before.layer || part.storageOffset !== before.storageOffset) append(result, part);
      start = stop;
      if (stop === oldEnd) index++;
    }
  }
  return result;
}

/** Bytes of guest memory that each layer of a mapping provides; layers that provide none are absent. */
export function bytesByLayer(entries: readonly MappingEntry[]): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const { layer, length } of entries) {
    if (layer !== null) bytes.set(layer, (bytes.get(layer) ?? 0) + length);
  }
  return bytes;
}

function slice(entry: MappingEntry, start: number, end: number): MappingEntry {
  return {
    offset: start,
    length: end - start,
    layer: entry.layer,
    storageOffset: entry.layer === null ? 0 : entry.storageOffset + (start - entry.offset),
  };
}
