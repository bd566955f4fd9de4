import { open } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";

/**
 * The header of qcow2 images, version 3, as docs/interop/qcow2.txt of QEMU describes it; all numbers are big-endian.
 * A layer of Warren names no other file: which layers lie below it is decided by the host agent. A header that does name
 * one is refused, because QEMU would open that file with the host agent's rights.
 */
export interface Qcow2Header {
  /** Bytes that the guest sees. */
  virtualSize: number;
  /** Logarithm of the cluster size in bytes. */
  clusterBits: number;
  /** Entries of the first-level table. */
  l1Entries: number;
  /** Offsets in the file. */
  l1Offset: number;
  refcountTableOffset: number;
  /** Clusters of the reference count table. */
  refcountTableClusters: number;
  /** Each cluster has 32 parts that are allocated one by one. */
  extendedL2: boolean;
}

const MAGIC = 0x514649fb;
const VERSION = 3;
/** Bytes of the header with its optional fields, a multiple of 8. */
export const HEADER_BYTES = 112;
/** Logarithm of the bits of a reference count: 16 bits. */
const REFCOUNT_ORDER = 4;
const INCOMPATIBLE = {
  dirty: 1n << 0n,
  corrupt: 1n << 1n,
  dataFile: 1n << 2n,
  compression: 1n << 3n,
  extendedL2: 1n << 4n,
};
/** Smallest cluster, with extended entries 16 KiB, and largest of the format, as logarithms. */
const CLUSTER_BITS = { min: 9, minExtended: 14, max: 21 } as const;
/** Header extensions that may stand there: the end mark and the table of feature names that QEMU writes. */
const EXTENSION_END = 0;
const EXTENSION_FEATURE_NAMES = 0x6803f857;
/** Bytes read of a file: the largest header with extensions lies within the smallest cluster that Warren uses. */
const READ_BYTES = 4096;

/** Writes a header followed by the end mark of its extensions. */
export function encodeHeader(header: Qcow2Header): Buffer {
  const buffer = Buffer.alloc(HEADER_BYTES + 8);
  buffer.writeUInt32BE(MAGIC, 0);
  buffer.writeUInt32BE(VERSION, 4);
  buffer.writeUInt32BE(header.clusterBits, 20);
  buffer.writeBigUInt64BE(BigInt(header.virtualSize), 24);
  buffer.writeUInt32BE(header.l1Entries, 36);
  buffer.writeBigUInt64BE(BigInt(header.l1Offset), 40);
  buffer.writeBigUInt64BE(BigInt(header.refcountTableOffset), 48);
  buffer.writeUInt32BE(header.refcountTableClusters, 56);
  buffer.writeBigUInt64BE(header.extendedL2 ? INCOMPATIBLE.extendedL2 : 0n, 72);
  buffer.writeUInt32BE(REFCOUNT_ORDER, 96);
  buffer.writeUInt32BE(HEADER_BYTES, 100);
  return buffer;
}

/** Bytes of the guest's disk that one second-level table describes. */
export function bytesPerL2Table({ clusterBits, extendedL2 }: Pick<Qcow2Header, "clusterBits" | "extendedL2">): number {
  const clusterSize = 2 ** clusterBits;
  return (clusterSize / (extendedL2 ? 16 : 8)) * clusterSize;
}

/** Reads the first bytes of an image of `fileSize` bytes; throws `invalid_request` with a reason for all but a layer of Warren. */
export function decodeHeader(buffer: Buffer, fileSize: number): Qcow2Header {
  if (buffer.length < 8 || buffer.readUInt32BE(0) !== MAGIC) refuse("it is not a qcow2 image");
  const version = buffer.readUInt32BE(4);
  if (version !== VERSION) refuse(`its format is version ${version}; only version ${VERSION} is used`);
  if (buffer.length < HEADER_BYTES) refuse("its header is cut off");
  const features = buffer.readBigUInt64BE(72);
  checkFeatures(features);
  checkReferences(buffer);
  const header: Qcow2Header = {
    virtualSize: safeNumber(buffer, 24),
    clusterBits: buffer.readUInt32BE(20),
    l1Entries: buffer.readUInt32BE(36),
    l1Offset: safeNumber(buffer, 40),
    refcountTableOffset: safeNumber(buffer, 48),
    refcountTableClusters: buffer.readUInt32BE(56),
    extendedL2: (features & INCOMPATIBLE.extendedL2) !== 0n,
  };
  checkExtensions(buffer);
  checkGeometry(header, fileSize);
  return header;
}

/** Reads and checks the header of a file. */
export async function readQcow2Header(path: string): Promise<Qcow2Header> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, READ_BYTES));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return decodeHeader(buffer.subarray(0, bytesRead), size);
  } catch (error) {
    if (!(error instanceof WarrenError)) throw error;
    throw new WarrenError(error.code, `the disk layer ${path} cannot be used: ${error.message}`, { cause: error });
  } finally {
    await file.close();
  }
}

function checkFeatures(features: bigint): void {
  if (features & INCOMPATIBLE.corrupt) refuse("it is marked as corrupt");
  if (features & INCOMPATIBLE.dirty) refuse("its reference counts are marked as not kept up");
  if (features & INCOMPATIBLE.dataFile) refuse("it names an external data file");
  const unknown = features & ~INCOMPATIBLE.extendedL2;
  if (unknown !== 0n) refuse(`it has features that are not used here: 0x${unknown.toString(16)}`);
}

function checkReferences(buffer: Buffer): void {
  if (buffer.readBigUInt64BE(8) !== 0n || buffer.readUInt32BE(16) !== 0) refuse("it names a backing file");
  if (buffer.readUInt32BE(32) !== 0) refuse("it is encrypted");
  if (buffer.readUInt32BE(60) !== 0) refuse("it has internal snapshots");
  if (buffer.readUInt32BE(96) !== REFCOUNT_ORDER) refuse("its reference counts do not have 16 bits");
}

function checkExtensions(buffer: Buffer): void {
  let offset = buffer.readUInt32BE(100);
  if (offset < 104 || offset % 8 !== 0) refuse(`its header is said to have ${offset} bytes`);
  for (;;) {
    if (offset + 8 > buffer.length) refuse("its header extensions do not end");
    const type = buffer.readUInt32BE(offset);
    if (type === EXTENSION_END) return;
    if (type !== EXTENSION_FEATURE_NAMES)
      refuse(`it has the header extension 0x${type.toString(16)}, which is not used here`);
    offset += 8 + Math.ceil(buffer.readUInt32BE(offset + 4) / 8) * 8;
  }
}

function checkGeometry(header: Qcow2Header, fileSize: number): void {
  const { clusterBits, virtualSize, l1Entries, extendedL2 } = header;
  const smallest = extendedL2 ? CLUSTER_BITS.minExtended : CLUSTER_BITS.min;
  if (clusterBits < smallest || clusterBits > CLUSTER_BITS.max) refuse(`its clusters have 2^${clusterBits} bytes`);
  if (virtualSize === 0 || virtualSize % 512 !== 0) refuse(`its disk has ${virtualSize} bytes, not whole sectors`);
  if (l1Entries < Math.ceil(virtualSize / bytesPerL2Table(header)))
    refuse("its first-level table is too small for its disk");
  if (header.refcountTableClusters === 0) refuse("it has no reference counts");
  const clusterSize = 2 ** clusterBits;
  const tables = [
    { offset: header.l1Offset, bytes: l1Entries * 8 },
    { offset: header.refcountTableOffset, bytes: header.refcountTableClusters * clusterSize },
  ];
  for (const { offset, bytes } of tables) {
    if (offset === 0 || offset % clusterSize !== 0) refuse(`a table begins at ${offset}, not at a cluster`);
    if (offset + bytes > fileSize) refuse(`it is cut off: a table ends at ${offset + bytes}, the file at ${fileSize}`);
  }
}

/** A 64-bit field as a number that counts exactly. */
function safeNumber(buffer: Buffer, offset: number): number {
  const value = buffer.readBigUInt64BE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(`the field at ${offset} is ${value}, which is out of range`);
  return Number(value);
}

function refuse(reason: string): never {
  throw new WarrenError("invalid_request", reason);
}
