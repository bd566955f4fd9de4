import { crc32 } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { PAGE_SIZE } from "../pages.ts";
import { bytesByLayer, continues, type MappingEntry } from "./mapping.ts";

/*
 * A memory header says what guest memory was at one instant. All integers are little-endian.
 *
 *   prefix, 96 bytes
 *      0  8  magic "WARRENMM"
 *      8  4  version, 1
 *     12  4  block size, 4096
 *     16  8  memory size in bytes, a multiple of the block size
 *     24  8  generation: captures since the memory was blank
 *     32  4  number of layers
 *     36  4  bytes of layer file per checksum, 1 MiB
 *     40  8  number of entries
 *     48 16  header id
 *     64 16  id of the header that the memory was restored from; zero = none
 *     80  4  CRC-32 of the layer records
 *     84  4  CRC-32 of checksums and entries
 *     88  4  zero
 *     92  4  CRC-32 of the prefix up to here
 *   layer records, 32 bytes each, oldest first
 *      0 16  layer id
 *     16  8  size of the layer file in bytes
 *     24  8  bytes of pages stored in it; the rest of the file are holes
 *   checksums, 4 bytes each: for every layer in turn, the CRC-32 of each MiB of its file
 *   entries, 32 bytes each, see MappingEntry
 *      0  8  offset in guest memory
 *      8  8  length
 *     16  4  index of the layer, 0xffffffff = zero pages
 *     20  4  zero
 *     24  8  offset in the layer file
 *
 * The checksums find storage that has decayed, files cut short or mixed up, and pages that were written wrongly: an
 * error of up to 32 bits in a row for certain, any other with a chance of 1 - 2^-32 per MiB. They are no seal: whoever
 * may write to the directory can make files that pass.
 */

/** Bytes of a layer file under one checksum. */
export const CHECKSUM_SPAN = 1024 * 1024;
/** Bytes of the prefix of a header file. */
export const PREFIX_LENGTH = 96;
/** Bytes of one layer record. */
export const LAYER_RECORD_LENGTH = 32;
/** Layers that a header can list at most, so that a damaged count costs no memory. */
export const MAX_LAYERS = 64;

const MAGIC = Buffer.from("WARRENMM", "latin1");
const VERSION = 1;
const ENTRY_LENGTH = 32;
const ZERO_LAYER = 0xffff_ffff;
const MAX_MEMORY_SIZE = 2 ** 40;
const NIL_ID = "0".repeat(32);

/** One layer of a header. */
export interface LayerRecord {
  /** 32 hexadecimal digits. */
  id: string;
  /** Bytes of its file. */
  size: number;
  /** Bytes of pages stored in it; fewer than `size` in a file with holes. */
  storedBytes: number;
  /** CRC-32 of each MiB of the file. */
  checksums: Uint32Array;
}

/** Guest memory at one instant. */
export interface MemoryHeader {
  /** 32 hexadecimal digits. */
  id: string;
  /** The header that the memory was restored from; null for memory that was blank. */
  parentId: string | null;
  /** Bytes. */
  memorySize: number;
  /** Captures since the memory was blank. */
  generation: number;
  /** Layers that the entries refer to, oldest first. */
  layers: LayerRecord[];
  entries: MappingEntry[];
}

/** What the first part of a header says; enough to know which layers it needs. */
export interface HeaderSummary {
  id: string;
  parentId: string | null;
  memorySize: number;
  generation: number;
  layers: { id: string; size: number; storedBytes: number }[];
  /** Bytes of the whole file. */
  length: number;
}

/** What is wrong with a header or layer file. */
export type Fault =
  | "foreign"
  | "version"
  | "truncated"
  | "trailing"
  | "checksum"
  | "value"
  | "order"
  | "layer_missing"
  | "layer_size";

/** A header or layer that cannot be trusted. Nothing that it does not belong to is affected. */
export class DamagedSnapshotError extends WarrenError {
  readonly fault: Fault;

  constructor(fault: Fault, message: string, options?: ErrorOptions) {
    super("snapshot_damaged", message, options);
    this.name = "DamagedSnapshotError";
    this.fault = fault;
  }
}

/** The file of a header. */
export function encodeHeader(header: MemoryHeader): Buffer {
  const checksums = header.layers.reduce((count, layer) => count + layer.checksums.length, 0);
  const bodyStart = PREFIX_LENGTH + header.layers.length * LAYER_RECORD_LENGTH;
  const file = Buffer.alloc(bodyStart + checksums * 4 + header.entries.length * ENTRY_LENGTH);

  const indexes = new Map<string, number>();
  let position = PREFIX_LENGTH;
  let checksumPosition = bodyStart;
  for (const layer of header.layers) {
    indexes.set(layer.id, indexes.size);
    file.write(layer.id, position, "hex");
    writeUint64(file, layer.size, position + 16);
    writeUint64(file, layer.storedBytes, position + 24);
    position += LAYER_RECORD_LENGTH;
    for (const checksum of layer.checksums) checksumPosition = file.writeUInt32LE(checksum, checksumPosition);
  }
  position = checksumPosition;
  for (const entry of header.entries) {
    const index = entry.layer === null ? ZERO_LAYER : indexes.get(entry.layer);
    if (index === undefined)
      throw new RangeError(`entry at ${entry.offset} names a layer that the header does not list`);
    writeUint64(file, entry.offset, position);
    writeUint64(file, entry.length, position + 8);
    file.writeUInt32LE(index, position + 16);
    writeUint64(file, entry.storageOffset, position + 24);
    position += ENTRY_LENGTH;
  }

  MAGIC.copy(file);
  file.writeUInt32LE(VERSION, 8);
  file.writeUInt32LE(PAGE_SIZE, 12);
  writeUint64(file, header.memorySize, 16);
  writeUint64(file, header.generation, 24);
  file.writeUInt32LE(header.layers.length, 32);
  file.writeUInt32LE(CHECKSUM_SPAN, 36);
  writeUint64(file, header.entries.length, 40);
  file.write(header.id, 48, "hex");
  file.write(header.parentId ?? NIL_ID, 64, "hex");
  file.writeUInt32LE(crc32(file.subarray(PREFIX_LENGTH, bodyStart)), 80);
  file.writeUInt32LE(crc32(file.subarray(bodyStart)), 84);
  file.writeUInt32LE(crc32(file.subarray(0, 92)), 92);
  return file;
}

/** Reads a header file whole and refuses all that is not exactly what `encodeHeader` writes. */
export function parseHeader(file: Buffer): MemoryHeader {
  const summary = parseSummary(file);
  if (file.length < summary.length) throw fault("truncated", `${file.length} of ${summary.length} bytes are there`);
  if (file.length > summary.length) throw fault("trailing", `${file.length - summary.length} bytes follow its end`);
  const bodyStart = PREFIX_LENGTH + summary.layers.length * LAYER_RECORD_LENGTH;
  if (crc32(file.subarray(bodyStart)) !== file.readUInt32LE(84)) throw fault("checksum", "its entries have changed");

  let position = bodyStart;
  const layers = summary.layers.map((layer): LayerRecord => {
    const checksums = new Uint32Array(Math.ceil(layer.size / CHECKSUM_SPAN));
    for (let index = 0; index < checksums.length; index++) checksums[index] = file.readUInt32LE(position + index * 4);
    position += checksums.length * 4;
    return { ...layer, checksums };
  });
  const entries = parseEntries(file, position, layers, summary.memorySize);

  const provided = bytesByLayer(entries);
  for (const { id, storedBytes } of layers) {
    const bytes = provided.get(id) ?? 0;
    if (bytes === 0) throw fault("value", `no entry refers to layer ${id}`);
    if (bytes > storedBytes) throw fault("value", `layer ${id} stores fewer pages than are taken from it`);
  }
  const { id, parentId, memorySize, generation } = summary;
  return { id, parentId, memorySize, generation, layers, entries };
}

/** Reads prefix and layer records of a header file; `file` may end anywhere after them. */
export function parseSummary(file: Buffer): HeaderSummary {
  if (file.length < MAGIC.length || !file.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw fault("foreign", "it does not begin as one");
  }
  if (file.length < PREFIX_LENGTH) throw fault("truncated", "it ends within the first 96 bytes");
  const version = file.readUInt32LE(8);
  if (version !== VERSION) throw fault("version", `it has version ${version}, and this host agent reads ${VERSION}`);
  if (crc32(file.subarray(0, 92)) !== file.readUInt32LE(92)) throw fault("checksum", "its first 96 bytes have changed");
  if (file.readUInt32LE(12) !== PAGE_SIZE) throw fault("value", `its block size is not ${PAGE_SIZE}`);
  if (file.readUInt32LE(36) !== CHECKSUM_SPAN) throw fault("value", "its checksums are of another span");
  if (file.readUInt32LE(88) !== 0) throw fault("value", "a reserved field is set");

  const memorySize = readUint64(file, 16);
  if (memorySize === 0 || memorySize > MAX_MEMORY_SIZE || memorySize % PAGE_SIZE !== 0) {
    throw fault("value", `a memory of ${memorySize} bytes is impossible`);
  }
  const generation = readUint64(file, 24);
  if (!Number.isSafeInteger(generation)) throw fault("value", "its generation is impossible");
  const layerCount = file.readUInt32LE(32);
  if (layerCount > MAX_LAYERS) throw fault("value", `${layerCount} layers are more than ${MAX_LAYERS}`);
  const entryCount = readUint64(file, 40);
  if (entryCount > memorySize / PAGE_SIZE) throw fault("value", "it has more entries than pages");
  const id = file.toString("hex", 48, 64);
  if (id === NIL_ID) throw fault("value", "it has no id");
  const parent = file.toString("hex", 64, 80);

  const recordsEnd = PREFIX_LENGTH + layerCount * LAYER_RECORD_LENGTH;
  if (file.length < recordsEnd) throw fault("truncated", "it ends within the layer records");
  if (crc32(file.subarray(PREFIX_LENGTH, recordsEnd)) !== file.readUInt32LE(80)) {
    throw fault("checksum", "its layer records have changed");
  }
  const layers = parseLayerRecords(file, layerCount, memorySize);
  const checksums = layers.reduce((count, layer) => count + Math.ceil(layer.size / CHECKSUM_SPAN), 0);
  return {
    id,
    parentId: parent === NIL_ID ? null : parent,
    memorySize,
    generation,
    layers,
    length: recordsEnd + checksums * 4 + entryCount * ENTRY_LENGTH,
  };
}

function parseLayerRecords(file: Buffer, count: number, memorySize: number): HeaderSummary["layers"] {
  const layers: HeaderSummary["layers"] = [];
  const ids = new Set<string>([NIL_ID]);
  for (let index = 0; index < count; index++) {
    const position = PREFIX_LENGTH + index * LAYER_RECORD_LENGTH;
    const id = file.toString("hex", position, position + 16);
    const size = readUint64(file, position + 16);
    const storedBytes = readUint64(file, position + 24);
    if (ids.has(id)) throw fault("value", `layer ${id} is listed twice or is nil`);
    if (size === 0 || size > memorySize || size % PAGE_SIZE !== 0)
      throw fault("value", `layer ${id} has an impossible size`);
    if (storedBytes > size || storedBytes % PAGE_SIZE !== 0)
      throw fault("value", `layer ${id} stores an impossible size`);
    ids.add(id);
    layers.push({ id, size, storedBytes });
  }
  return layers;
}

function parseEntries(file: Buffer, start: number, layers: LayerRecord[], memorySize: number): MappingEntry[] {
  const entries: MappingEntry[] = [];
  let covered = 0;
  for (let position = start; position < file.length; position += ENTRY_LENGTH) {
    const offset = readUint64(file, position);
    const length = readUint64(file, position + 8);
    const index = file.readUInt32LE(position + 16);
    const storageOffset = readUint64(file, position + 24);
    if (offset !== covered) throw fault("order", `an entry begins at ${offset} where ${covered} must follow`);
    if (length === 0 || length % PAGE_SIZE !== 0 || length > memorySize - offset) {
      throw fault("value", `the entry at ${offset} has an impossible length`);
    }
    if (file.readUInt32LE(position + 20) !== 0) throw fault("value", `the entry at ${offset} sets a reserved field`);
    const layer = layers[index];
    if (index === ZERO_LAYER ? storageOffset !== 0 : layer === undefined) {
      throw fault("value", `the entry at ${offset} refers to no layer`);
    }
    if (layer !== undefined && (storageOffset % PAGE_SIZE !== 0 || storageOffset + length > layer.size)) {
      throw fault("value", `the entry at ${offset} reaches beyond its layer`);
    }
    const entry: MappingEntry = { offset, length, layer: layer?.id ?? null, storageOffset };
    const last = entries.at(-1);
    if (last !== undefined && continues(last, entry)) throw fault("order", `the entry at ${offset} is not joined`);
    entries.push(entry);
    covered += length;
  }
  if (covered !== memorySize) throw fault("order", `its entries cover ${covered} of ${memorySize} bytes`);
  return entries;
}

function fault(kind: Fault, detail: string): DamagedSnapshotError {
  return new DamagedSnapshotError(kind, `not a usable memory header: ${detail}`);
}

function writeUint64(buffer: Buffer, value: number, position: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not an unsigned integer`);
  buffer.writeUInt32LE(value % 2 ** 32, position);
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), position + 4);
}

/** Values from 2^53 on lose their last digits, and every check of a field refuses them for their size. */
function readUint64(buffer: Buffer, position: number): number {
  return buffer.readUInt32LE(position + 4) * 2 ** 32 + buffer.readUInt32LE(position);
}
