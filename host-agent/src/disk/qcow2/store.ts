import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { BaseImage, DiskImage, DiskStore, LiveDisk } from "../disk.ts";
import { bytesPerL2Table, encodeHeader } from "./header.ts";
import { mergeLayers } from "./merge.ts";

/**
 * Clusters of 128 KiB in 32 parts of 4 KiB, the block size of the guest's file system: a write of one block to an empty
 * layer allocates just that block, where a plain cluster would first be filled up from the layers below. The tables are
 * as large as those of plain clusters of 64 KiB.
 */
const CLUSTER_BITS = 17;
const CLUSTER = 2 ** CLUSTER_BITS;
/** Places of the parts of an empty layer, in clusters. */
const LAYOUT = { refcountTable: 1, refcountBlock: 2, l1: 3, end: 4 } as const;
/** Entries that fit into the one cluster of the first-level table: 16 TiB. */
const MAX_L1_ENTRIES = CLUSTER / 8;

/** Disks as chains of qcow2 layers over a raw or qcow2 base. */
export function createQcow2Store(): DiskStore {
  return new Qcow2Store();
}

class Qcow2Store implements DiskStore {
  readonly format = "qcow2";
  readonly suffix = ".qcow2";

  create(path: string, base: BaseImage): Promise<void> {
    return writeEmptyLayer(path, base.virtualSize);
  }

  /** The VMM puts layers together by itself. */
  stack(disk: LiveDisk, path: string): Promise<void> {
    return disk.stack({ path, format: this.format });
  }

  merge(image: DiskImage, kept: DiskImage, path: string): Promise<void> {
    return mergeLayers(image, kept, path);
  }

  async sync(path: string): Promise<void> {
    for (const name of [path, dirname(path)]) {
      const file = await open(name, "r");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
  }

  async allocatedBytes(path: string): Promise<number> {
    return (await stat(path)).blocks * 512;
  }
}

/** Writes a layer that holds nothing: a header, a reference count for each of its own clusters, and an empty table. */
async function writeEmptyLayer(path: string, virtualSize: number): Promise<void> {
  if (!Number.isSafeInteger(virtualSize) || virtualSize <= 0 || virtualSize % 512 !== 0) {
    throw new WarrenError("invalid_request", `a disk cannot have ${virtualSize} bytes; give a multiple of 512`);
  }
  const shape = { clusterBits: CLUSTER_BITS, extendedL2: true };
  const l1Entries = Math.ceil(virtualSize / bytesPerL2Table(shape));
  if (l1Entries > MAX_L1_ENTRIES) throw new WarrenError("too_large", `a disk of ${virtualSize} bytes is too large`);
  const header = encodeHeader({
    ...shape,
    virtualSize,
    l1Entries,
    l1Offset: LAYOUT.l1 * CLUSTER,
    refcountTableOffset: LAYOUT.refcountTable * CLUSTER,
    refcountTableClusters: 1,
  });
  const refcountTable = Buffer.alloc(8);
  refcountTable.writeBigUInt64BE(BigInt(LAYOUT.refcountBlock * CLUSTER));
  const refcounts = Buffer.alloc(2 * LAYOUT.end);
  for (let cluster = 0; cluster < LAYOUT.end; cluster++) refcounts.writeUInt16BE(1, 2 * cluster);
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(LAYOUT.end * CLUSTER);
    await file.write(header, 0, header.length, 0);
    await file.write(refcountTable, 0, refcountTable.length, LAYOUT.refcountTable * CLUSTER);
    await file.write(refcounts, 0, refcounts.length, LAYOUT.refcountBlock * CLUSTER);
  } finally {
    await file.close();
  }
}
