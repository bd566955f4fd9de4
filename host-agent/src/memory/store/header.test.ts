import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PAGE_SIZE } from "../pages.ts";
import {
  CHECKSUM_SPAN,
  DamagedSnapshotError,
  encodeHeader,
  type Fault,
  type MemoryHeader,
  parseHeader,
  parseSummary,
} from "./header.ts";
import { append, bytesByLayer, type MappingEntry } from "./mapping.ts";

const id = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("hex"))
  .filter((text) => !/^0+$/.test(text));

/** Headers of small memories; layer files are up to 3 MiB, so that they have several checksums. */
const header: fc.Arbitrary<MemoryHeader> = fc
  .record({
    id,
    parentId: fc.option(id, { nil: null }),
    generation: fc.nat(1000),
    layerIds: fc.uniqueArray(id, { maxLength: 4 }),
    spare: fc.nat(3 * 256),
    seed: fc.integer(),
    pages: fc.array(fc.nat(4), { minLength: 1, maxLength: 40 }),
  })
  .map(({ layerIds, spare, seed, pages, ...rest }) => {
    const stored = new Map<string, number>();
    const entries: MappingEntry[] = [];
    for (const [index, choice] of pages.entries()) {
      const layer = layerIds[choice] ?? null;
      const place = layer === null ? 0 : (stored.get(layer) ?? 0);
      if (layer !== null) stored.set(layer, place + PAGE_SIZE);
      append(entries, { offset: index * PAGE_SIZE, length: PAGE_SIZE, layer, storageOffset: place });
    }
    const blank = spare * PAGE_SIZE;
    if (blank > 0) {
      append(entries, { offset: pages.length * PAGE_SIZE, length: blank, layer: null, storageOffset: 0 });
    }
    const memorySize = pages.length * PAGE_SIZE + blank;
    const layers = layerIds.flatMap((layerId) => {
      const bytes = stored.get(layerId);
      if (bytes === undefined) return [];
      const size = seed % 2 === 0 ? bytes : memorySize;
      const checksums = Uint32Array.from({ length: Math.ceil(size / CHECKSUM_SPAN) }, (_, index) => seed + index);
      return [{ id: layerId, size, storedBytes: bytes, checksums }];
    });
    return { ...rest, memorySize, layers, entries };
  });

const sample: MemoryHeader = {
  id: "0123456789abcdef0123456789abcdef",
  parentId: "fedcba9876543210fedcba9876543210",
  memorySize: 8 * PAGE_SIZE,
  generation: 3,
  layers: [
    { id: "a".repeat(32), size: 8 * PAGE_SIZE, storedBytes: 3 * PAGE_SIZE, checksums: Uint32Array.of(7) },
    { id: "b".repeat(32), size: 2 * PAGE_SIZE, storedBytes: 2 * PAGE_SIZE, checksums: Uint32Array.of(9) },
  ],
  entries: [
    { offset: 0, length: 2 * PAGE_SIZE, layer: "a".repeat(32), storageOffset: 0 },
    { offset: 2 * PAGE_SIZE, length: 2 * PAGE_SIZE, layer: "b".repeat(32), storageOffset: 0 },
    { offset: 4 * PAGE_SIZE, length: 4 * PAGE_SIZE, layer: null, storageOffset: 0 },
  ],
};
/** Places in the file of `sample`. */
const RECORDS = 96;
const BODY = RECORDS + 2 * 32;
const ENTRIES = BODY + 2 * 4;

/** The file of `sample` after a change, with checksums that fit the change. */
function altered(change: (file: Buffer) => Buffer | undefined): Buffer {
  const original = encodeHeader(sample);
  const file = change(original) ?? original;
  file.writeUInt32LE(crc32(file.subarray(RECORDS, BODY)), 80);
  file.writeUInt32LE(crc32(file.subarray(BODY)), 84);
  file.writeUInt32LE(crc32(file.subarray(0, 92)), 92);
  return file;
}

function faultOf(file: Buffer): Fault | "none" {
  try {
    parseHeader(file);
    return "none";
  } catch (error) {
    if (error instanceof DamagedSnapshotError) return error.fault;
    throw error;
  }
}

describe("a memory header", () => {
  test("reads back as it was written", () => {
    fc.assert(
      fc.property(header, (original) => {
        const file = encodeHeader(original);
        expect(parseHeader(file)).toEqual(original);
        expect(parseSummary(file)).toMatchObject({ id: original.id, length: file.length });
      }),
    );
  });

  test("has a fixed layout", () => {
    const file = encodeHeader(sample);
    expect(file.toString("latin1", 0, 8)).toBe("WARRENMM");
    expect(file.length).toBe(ENTRIES + 3 * 32);
    expect(file.readUInt32LE(8)).toBe(1);
    expect(file.readUInt32LE(12)).toBe(4096);
    expect(file.readBigUInt64LE(16)).toBe(BigInt(8 * PAGE_SIZE));
    expect(file.toString("hex", 48, 64)).toBe(sample.id);
    expect(file.readUInt32LE(ENTRIES + 2 * 32 + 16)).toBe(0xffff_ffff);
  });

  test("tells a page that became zero from one that did not change", () => {
    const unchanged = encodeHeader(sample);
    const zeroed = encodeHeader({
      ...sample,
      entries: [
        { offset: 0, length: PAGE_SIZE, layer: null, storageOffset: 0 },
        { offset: PAGE_SIZE, length: PAGE_SIZE, layer: "a".repeat(32), storageOffset: PAGE_SIZE },
        ...sample.entries.slice(1),
      ],
    });
    expect(zeroed.equals(unchanged)).toBe(false);
    expect(parseHeader(zeroed).entries[0]?.layer).toBeNull();
  });

  test.each<[string, Fault, (file: Buffer) => Buffer | undefined]>([
    ["another magic", "foreign", (file) => void file.write("QEVM")],
    ["another version", "version", (file) => void file.writeUInt32LE(2, 8)],
    ["another block size", "value", (file) => void file.writeUInt32LE(65_536, 12)],
    ["another span of checksums", "value", (file) => void file.writeUInt32LE(4096, 36)],
    ["a reserved field of the prefix", "value", (file) => void file.writeUInt32LE(1, 88)],
    ["no memory", "value", (file) => void file.writeBigUInt64LE(0n, 16)],
    ["a memory that is no multiple of the block size", "value", (file) => void file.writeBigUInt64LE(4097n, 16)],
    ["a memory of impossible size", "value", (file) => void file.writeBigUInt64LE(1n << 60n, 16)],
    ["a memory larger than the entries cover", "order", (file) => void file.writeBigUInt64LE(9n * 4096n, 16)],
    ["an impossible generation", "value", (file) => void file.writeBigUInt64LE(1n << 63n, 24)],
    ["too many layers", "value", (file) => void file.writeUInt32LE(65, 32)],
    ["more entries than pages", "value", (file) => void file.writeBigUInt64LE(9n, 40)],
    ["no id", "value", (file) => void file.fill(0, 48, 64)],
    ["a layer listed twice", "value", (file) => void file.write("a".repeat(32), RECORDS + 32, "hex")],
    ["a nil layer", "value", (file) => void file.fill(0, RECORDS, RECORDS + 16)],
    ["a layer larger than the memory", "value", (file) => void file.writeBigUInt64LE(9n * 4096n, RECORDS + 16)],
    ["a layer that stores more than its size", "value", (file) => void file.writeBigUInt64LE(3n * 4096n, RECORDS + 56)],
    ["a layer that stores less than is taken", "value", (file) => void file.writeBigUInt64LE(4096n, RECORDS + 24)],
    ["a gap", "order", (file) => void file.writeBigUInt64LE(3n * 4096n, ENTRIES + 32)],
    ["an overlap", "order", (file) => void file.writeBigUInt64LE(4096n, ENTRIES + 32)],
    ["entries in another order", "order", (file) => swap(file, ENTRIES, ENTRIES + 32)],
    ["an empty entry", "value", (file) => void file.writeBigUInt64LE(0n, ENTRIES + 8)],
    ["half a page", "value", (file) => void file.writeBigUInt64LE(2048n, ENTRIES + 8)],
    ["an entry beyond the memory", "value", (file) => void file.writeBigUInt64LE(5n * 4096n, ENTRIES + 72)],
    ["an unknown layer", "value", (file) => void file.writeUInt32LE(2, ENTRIES + 16)],
    ["a reserved field of an entry", "value", (file) => void file.writeUInt32LE(1, ENTRIES + 20)],
    ["zero pages with a place", "value", (file) => void file.writeBigUInt64LE(4096n, ENTRIES + 88)],
    ["a place within a page", "value", (file) => void file.writeBigUInt64LE(1n, ENTRIES + 24)],
    ["a place beyond the layer", "value", (file) => void file.writeBigUInt64LE(4096n, ENTRIES + 56)],
    ["a layer that nothing refers to", "value", (file) => void file.writeUInt32LE(0, ENTRIES + 32 + 16)],
    ["neighbours that are not joined", "order", (file) => splitFirst(file)],
    ["bytes behind the end", "trailing", (file) => Buffer.concat([file, Buffer.alloc(1)])],
    ["a missing entry", "truncated", (file) => file.subarray(0, file.length - 32)],
  ])("with %s is refused as %s", (_, fault, change) => {
    expect(faultOf(altered(change))).toBe(fault);
  });

  test("cut short at any byte is refused", () => {
    const file = encodeHeader(sample);
    for (let length = 0; length < file.length; length++) {
      expect(faultOf(file.subarray(0, length))).toBe(length < 8 ? "foreign" : "truncated");
    }
  });

  test("with any single byte changed is refused", () => {
    const file = encodeHeader(sample);
    for (let position = 0; position < file.length; position++) {
      const changed = Buffer.from(file);
      changed[position] = changed[position]! ^ (1 + (position % 255));
      expect(faultOf(changed)).not.toBe("none");
    }
  });

  test("of random bytes with valid checksums is refused, or read as something that is written the same way", () => {
    const noise = fc.array(fc.tuple(fc.nat(ENTRIES + 95), fc.nat(255)), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(noise, (changes) => {
        const file = altered((original) => {
          for (const [position, value] of changes) if (position >= 12) original[position] = value;
          return undefined;
        });
        if (faultOf(file) !== "none") return;
        const read = parseHeader(file);
        expect(encodeHeader(read).equals(file)).toBe(true);
        expect(read.entries.reduce((sum, entry) => sum + entry.length, 0)).toBe(read.memorySize);
        expect(bytesByLayer(read.entries).size).toBe(read.layers.length);
      }),
      { seed: 7, numRuns: 5000 },
    );
  });
});

function swap(file: Buffer, first: number, second: number): undefined {
  const kept = Buffer.from(file.subarray(first, first + 32));
  file.copy(file, first, second, second + 32);
  kept.copy(file, second);
}

/** Spells the first entry of `sample`, two pages long, as two entries. */
function splitFirst(file: Buffer): Buffer {
  const first = Buffer.from(file.subarray(ENTRIES, ENTRIES + 32));
  const second = Buffer.from(first);
  first.writeBigUInt64LE(4096n, 8);
  second.writeBigUInt64LE(4096n, 0);
  second.writeBigUInt64LE(4096n, 8);
  second.writeBigUInt64LE(4096n, 24);
  const result = Buffer.concat([file.subarray(0, ENTRIES), first, second, file.subarray(ENTRIES + 32)]);
  result.writeBigUInt64LE(4n, 40);
  return result;
}
