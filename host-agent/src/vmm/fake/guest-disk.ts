import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { DiskLayer } from "../../disk/disk.ts";
import { bytesPerL2Table, decodeHeader, type Qcow2Header } from "../../disk/qcow2/header.ts";
import { BLOCK, type BlockDevice } from "./block-device.ts";

/** Bytes of an entry of a second-level table with parts of clusters, and how many parts that are. */
const L2_ENTRY = 16;
const PARTS = 32;
/** Bits of an entry that are an offset, and the one that says that nothing else has the cluster (docs/interop/qcow2.txt). */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COPIED = 1n << 63n;
const HEADER_BYTES = 4096;

/** A disk as qcow2 layers over a raw base; the top takes the writes. */
export class GuestDisk implements BlockDevice {
  readonly blocks: number;
  readonly #layers: Layer[];

  constructor([top, ...below]: readonly DiskLayer[]) {
    if (top === undefined) throw new Error("a disk without layers");
    const first = new Qcow2Layer(top.path, true);
    this.blocks = Math.floor(first.virtualSize / BLOCK);
    const others = below.map(({ path, format }) =>
      format === "raw" ? new RawLayer(path) : new Qcow2Layer(path, false),
    );
    this.#layers = [first, ...others];
  }

  read(index: number): Buffer {
    for (const layer of this.#layers) {
      const found = layer.read(index);
      if (found) return found;
    }
    return Buffer.alloc(BLOCK);
  }

  write(index: number, data: Buffer): void {
    const [top] = this.#layers;
    if (!(top instanceof Qcow2Layer)) throw new Error("the top of the disk cannot be written");
    top.write(index, data);
  }

  /** Goes on with an empty layer above the top, which is only read from now on. */
  stack(path: string): void {
    const [top] = this.#layers;
    if (top instanceof Qcow2Layer) top.keepReading();
    this.#layers.unshift(new Qcow2Layer(path, true));
  }
}

interface Layer {
  /** A block; undefined where the layer below has it. */
  read(index: number): Buffer | undefined;
}

class RawLayer implements Layer {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDONLY);
  }

  read(index: number): Buffer {
    return readAt(this.#fd, index * BLOCK, BLOCK);
  }
}

/** A layer whose blocks are parts of clusters, as the host agent makes them. */
class Qcow2Layer implements Layer {
  readonly virtualSize: number;
  readonly #path: string;
  readonly #header: Qcow2Header;
  readonly #cluster: number;
  #fd: number;
  /** Clusters of the file. */
  #end: number;

  constructor(path: string, writable: boolean) {
    this.#path = path;
    this.#fd = openSync(path, writable ? constants.O_RDWR : constants.O_RDONLY);
    const { size } = fstatSync(this.#fd);
    this.#header = decodeHeader(readAt(this.#fd, 0, HEADER_BYTES), size);
    this.virtualSize = this.#header.virtualSize;
    this.#cluster = 2 ** this.#header.clusterBits;
    if (!this.#header.extendedL2 || this.#cluster !== PARTS * BLOCK)
      throw new Error(`${path} has parts of another size`);
    this.#end = Math.ceil(size / this.#cluster);
  }

  /** Gives up the right to write. */
  keepReading(): void {
    const fd = openSync(this.#path, constants.O_RDONLY);
    closeSync(this.#fd);
    this.#fd = fd;
  }

  read(index: number): Buffer | undefined {
    const entry = this.#entry(index, false);
    if (entry === undefined) return undefined;
    const { data, parts } = this.#readEntry(entry);
    const part = BigInt(index % PARTS);
    if ((parts >> (part + 32n)) & 1n) return Buffer.alloc(BLOCK);
    if (data === 0 || ((parts >> part) & 1n) === 0n) return undefined;
    return readAt(this.#fd, data + Number(part) * BLOCK, BLOCK);
  }

  write(index: number, content: Buffer): void {
    const entry = this.#entry(index, true) as number;
    const { data, parts } = this.#readEntry(entry);
    const cluster = data === 0 ? this.#allocate() : data;
    const part = BigInt(index % PARTS);
    writeSync(this.#fd, content, 0, BLOCK, cluster + Number(part) * BLOCK);
    const words = Buffer.alloc(L2_ENTRY);
    words.writeBigUInt64BE(BigInt(cluster) | COPIED, 0);
    words.writeBigUInt64BE((parts | (1n << part)) & ~(1n << (part + 32n)), 8);
    writeSync(this.#fd, words, 0, L2_ENTRY, entry);
  }

  /** Where the entry of the cluster of a block lies in the file; undefined where there is no table for it. */
  #entry(index: number, make: boolean): number | undefined {
    const perTable = bytesPerL2Table(this.#header);
    const offset = index * BLOCK;
    const place = this.#header.l1Offset + Math.floor(offset / perTable) * 8;
    let table = Number(readAt(this.#fd, place, 8).readBigUInt64BE() & OFFSET_MASK);
    if (table === 0 && !make) return undefined;
    if (table === 0) {
      table = this.#allocate();
      const word = Buffer.alloc(8);
      word.writeBigUInt64BE(BigInt(table) | COPIED);
      writeSync(this.#fd, word, 0, 8, place);
    }
    return table + Math.floor((offset % perTable) / this.#cluster) * L2_ENTRY;
  }

  #readEntry(place: number): { data: number; parts: bigint } {
    const words = readAt(this.#fd, place, L2_ENTRY);
    return { data: Number(words.readBigUInt64BE(0) & OFFSET_MASK), parts: words.readBigUInt64BE(8) };
  }

  /** A new cluster of zeros at the end of the file, counted as in use. */
  #allocate(): number {
    const cluster = this.#end++;
    ftruncateSync(this.#fd, this.#end * this.#cluster);
    const counts = Number(readAt(this.#fd, this.#header.refcountTableOffset, 8).readBigUInt64BE());
    if (cluster * 2 >= this.#cluster) throw new Error(`${this.#path} is full`);
    writeSync(this.#fd, Buffer.from([0, 1]), 0, 2, counts + cluster * 2);
    return cluster * this.#cluster;
  }
}

/** Bytes of a file; those beyond its end are zeros. */
function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  readSync(fd, buffer, 0, length, offset);
  return buffer;
}
