import { crc32 } from "node:zlib";
import { BLOCK, type BlockDevice } from "./block-device.ts";

/** Blocks of the table of files. */
const TABLE_BLOCKS = 16;

interface File {
  size: number;
  crc: number;
  /** First block and number of blocks of each of its parts. */
  extents: [start: number, count: number][];
}

interface Table {
  /** Goes up with each change. */
  generation: number;
  /** Where to look for room next: what is written anew lies elsewhere. */
  cursor: number;
  files: Record<string, File>;
}

/** The files of a device, in whole blocks between two of its blocks. Each has a sum, so that a lost block is noticed. */
export class BlockFiles {
  readonly #device: BlockDevice;
  readonly #first: number;
  readonly #end: number;
  readonly #table: Table;

  private constructor(device: BlockDevice, first: number, end: number, table: Table) {
    this.#device = device;
    this.#first = first;
    this.#end = end;
    this.#table = table;
  }

  /** Makes a device without files. */
  static format(device: BlockDevice, first = 0, end = device.blocks): BlockFiles {
    const files = new BlockFiles(device, first, end, { generation: 0, cursor: first + TABLE_BLOCKS, files: {} });
    files.#save();
    return files;
  }

  /** The files that are there; undefined where there have never been any. */
  static mount(device: BlockDevice, first = 0, end = device.blocks): BlockFiles | undefined {
    const length = device.read(first).readUInt32LE();
    if (length === 0) return undefined;
    const blocks = Math.ceil((length + 4) / BLOCK);
    const bytes = Buffer.concat(Array.from({ length: blocks }, (_, index) => device.read(first + index)));
    return new BlockFiles(device, first, end, JSON.parse(bytes.toString("utf8", 4, 4 + length)) as Table);
  }

  get generation(): number {
    return this.#table.generation;
  }

  list(): string[] {
    return Object.keys(this.#table.files).sort();
  }

  /** Undefined when there is none; throws when it is not what was written. */
  read(path: string): Buffer | undefined {
    const file = this.#table.files[path];
    if (!file) return undefined;
    const blocks = file.extents.flatMap(([start, count]) =>
      Array.from({ length: count }, (_, index) => this.#device.read(start + index)),
    );
    const content = Buffer.concat(blocks).subarray(0, file.size);
    if (crc32(content) !== file.crc) throw new Error(`${path}: Input/output error`);
    return content;
  }

  write(path: string, content: Buffer): void {
    const former = this.#table.files[path];
    const extents = this.#allocate(Math.ceil(content.length / BLOCK));
    let offset = 0;
    for (const [start, count] of extents) {
      for (let block = start; block < start + count; block++, offset += BLOCK) {
        const data = Buffer.alloc(BLOCK);
        content.copy(data, 0, offset);
        this.#device.write(block, data);
      }
    }
    this.#table.files[path] = { size: content.length, crc: crc32(content), extents };
    this.#changed(former);
  }

  remove(path: string): boolean {
    const former = this.#table.files[path];
    if (!former) return false;
    delete this.#table.files[path];
    this.#changed(former);
    return true;
  }

  /** Saves the table, and clears what nothing has any more. */
  #changed(former: File | undefined): void {
    this.#table.generation += 1;
    this.#save();
    for (const [start, count] of former?.extents ?? []) {
      for (let block = start; block < start + count; block++) this.#device.write(block, Buffer.alloc(BLOCK));
    }
  }

  #allocate(wanted: number): File["extents"] {
    const used = new Set<number>();
    for (const { extents } of Object.values(this.#table.files)) {
      for (const [start, count] of extents) for (let index = 0; index < count; index++) used.add(start + index);
    }
    const lowest = this.#first + TABLE_BLOCKS;
    const extents: File["extents"] = [];
    let block = this.#table.cursor;
    for (let seen = 0, found = 0; found < wanted; seen++, block++) {
      if (seen > this.#end - lowest) throw new Error("No space left on device");
      if (block >= this.#end) block = lowest;
      if (used.has(block)) continue;
      found += 1;
      const last = extents.at(-1);
      if (last && last[0] + last[1] === block) last[1] += 1;
      else extents.push([block, 1]);
    }
    this.#table.cursor = block;
    return extents;
  }

  #save(): void {
    const text = Buffer.from(JSON.stringify(this.#table));
    const bytes = Buffer.alloc(Math.ceil((text.length + 4) / BLOCK) * BLOCK);
    if (bytes.length > TABLE_BLOCKS * BLOCK) throw new Error("No space left on device");
    bytes.writeUInt32LE(text.length);
    text.copy(bytes, 4);
    for (let offset = 0; offset < bytes.length; offset += BLOCK) {
      this.#device.write(this.#first + offset / BLOCK, bytes.subarray(offset, offset + BLOCK));
    }
  }
}
