import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { hostFiles, type StoredFile } from "../../memory/store/files.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/**
 * How a file of a template travels: its blocks that are not zero, in groups. A group is the number of its blocks, their indices in
 * the file (all of that little-endian, 32 bits), and their bytes; only the last block of a file may be shorter. Each group
 * is one zstd frame (RFC 8878) behind its length; a length of 0 ends the file. The same file gives the same groups, whose
 * SHA-256, behind the length of the file, is its checksum: it does not depend on how they were compressed.
 */
const BLOCK_BYTES = 64 * 1024;
/** A frame with its length then fits into a message of 1 MiB. */
const GROUP_BLOCKS = 15;
const MOST_GROUP_BYTES = 4 + GROUP_BLOCKS * (4 + BLOCK_BYTES);
/** What a frame can have of bytes that do not get smaller. */
const MOST_FRAME_BYTES = MOST_GROUP_BYTES + 1024;
const READ_BLOCKS = 16;
const ZEROS = Buffer.alloc(BLOCK_BYTES);
const END = Buffer.alloc(4);

/** What a file is known by. */
export interface FileChecksum {
  /** Length of the file. */
  bytes: number;
  /** Bytes of its blocks that are not zero. */
  dataBytes: number;
  /** Of what its groups are, in hex. */
  sha256: string;
}

/** Bytes that a file takes at most while it travels. */
export function mostPackedBytes({ dataBytes }: Pick<FileChecksum, "dataBytes">): number {
  const groups = Math.ceil(dataBytes / (GROUP_BLOCKS * BLOCK_BYTES)) + 2;
  return dataBytes + groups * (4 + MOST_FRAME_BYTES - GROUP_BLOCKS * BLOCK_BYTES);
}

/** Reads a file whole. */
export async function checksumOf(path: string): Promise<FileChecksum> {
  return withFile(path, async (file, bytes) => {
    const hash = hashOf(bytes);
    let dataBytes = 0;
    for await (const group of groupsOf(file, bytes)) {
      hash.update(group);
      dataBytes += group.length - 4 * (1 + group.readUInt32LE(0));
    }
    return { bytes, dataBytes, sha256: hash.digest("hex") };
  });
}

/** A file as it travels, without the first `offset` bytes of that. */
export async function* packed(path: string, offset = 0): AsyncGenerator<Buffer> {
  const file = await hostFiles.open(path);
  let skip = offset;
  try {
    for await (const frame of framesOf(file, await file.size())) {
      if (skip < frame.length) yield frame.subarray(skip);
      skip = Math.max(0, skip - frame.length);
    }
  } finally {
    await file.close();
  }
}

/** Makes a file of one that has travelled, durable and with its holes, or throws `snapshot_damaged` and leaves none that is whole. */
export async function unpack(packedPath: string, path: string, expected: FileChecksum): Promise<void> {
  await withFile(packedPath, async (from, packedBytes) => {
    const to = await hostFiles.create(path, { direct: false });
    try {
      await to.truncate(expected.bytes);
      const hash = hashOf(expected.bytes);
      for await (const group of unframed(from, packedBytes)) {
        hash.update(group);
        await writeGroup(to, group, expected.bytes);
      }
      if (hash.digest("hex") !== expected.sha256) throw changed();
      await to.sync();
    } finally {
      await to.close();
    }
  });
}

async function* framesOf(file: StoredFile, bytes: number): AsyncGenerator<Buffer> {
  for await (const group of groupsOf(file, bytes)) {
    const frame = await compress(group);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(frame.length);
    yield Buffer.concat([length, frame]);
  }
  yield END;
}

/** The groups of a file that has travelled; whoever sent it may have put anything there. */
async function* unframed(file: StoredFile, bytes: number): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(4);
  for (let position = 0; ; ) {
    if (position + 4 > bytes) throw changed();
    await file.read(head, position);
    const length = head.readUInt32LE(0);
    position += 4;
    if (length === 0) {
      if (position !== bytes) throw changed();
      return;
    }
    if (length > MOST_FRAME_BYTES || position + length > bytes) throw changed();
    const frame = Buffer.alloc(length);
    await file.read(frame, position);
    position += length;
    yield await decompress(frame, { maxOutputLength: MOST_GROUP_BYTES }).catch(() => {
      throw changed();
    });
  }
}

async function writeGroup(to: StoredFile, group: Buffer, bytes: number): Promise<void> {
  const count = group.length < 4 ? 0 : group.readUInt32LE(0);
  if (count < 1 || count > GROUP_BLOCKS || group.length < 4 * (1 + count)) throw changed();
  let position = 4 * (1 + count);
  for (let number = 0; number < count; number++) {
    const start = group.readUInt32LE(4 * (1 + number)) * BLOCK_BYTES;
    const end = position + Math.min(BLOCK_BYTES, bytes - start);
    if (start >= bytes || end > group.length) throw changed();
    await to.write(group.subarray(position, end), start);
    position = end;
  }
  if (position !== group.length) throw changed();
}

async function* groupsOf(file: StoredFile, bytes: number): AsyncGenerator<Buffer> {
  let blocks: { index: number; data: Buffer }[] = [];
  for await (const block of blocksOf(file, bytes)) {
    blocks.push(block);
    if (blocks.length < GROUP_BLOCKS) continue;
    yield groupOf(blocks);
    blocks = [];
  }
  if (blocks.length > 0) yield groupOf(blocks);
}

function groupOf(blocks: readonly { index: number; data: Buffer }[]): Buffer {
  const head = Buffer.alloc(4 * (1 + blocks.length));
  head.writeUInt32LE(blocks.length);
  for (const [number, { index }] of blocks.entries()) head.writeUInt32LE(index, 4 * (1 + number));
  return Buffer.concat([head, ...blocks.map(({ data }) => data)]);
}

/** The blocks that are not zero, in order; holes are not read. */
async function* blocksOf(file: StoredFile, bytes: number): AsyncGenerator<{ index: number; data: Buffer }> {
  let next = 0;
  for (let data = await file.nextData(0); data; data = await file.nextData(next * BLOCK_BYTES)) {
    const last = Math.ceil(Math.min(data.end, bytes) / BLOCK_BYTES);
    for (next = Math.max(next, Math.floor(data.start / BLOCK_BYTES)); next < last; ) {
      const count = Math.min(READ_BLOCKS, last - next);
      const start = next * BLOCK_BYTES;
      const read = Buffer.alloc(Math.min(count * BLOCK_BYTES, bytes - start));
      await file.read(read, start);
      for (let number = 0; number < count; number++) {
        const block = read.subarray(number * BLOCK_BYTES, (number + 1) * BLOCK_BYTES);
        if (!block.equals(ZEROS.subarray(0, block.length))) yield { index: next + number, data: block };
      }
      next += count;
    }
    if (next * BLOCK_BYTES >= bytes) return;
  }
}

function hashOf(bytes: number) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes));
  return createHash("sha256").update(length);
}

async function withFile<T>(path: string, work: (file: StoredFile, bytes: number) => Promise<T>): Promise<T> {
  const file = await hostFiles.open(path);
  try {
    return await work(file, await file.size());
  } finally {
    await file.close();
  }
}

function changed(): WarrenError {
  return new WarrenError(
    "snapshot_damaged",
    "a file of the template is not the one that was sent: it changed on the way",
  );
}
