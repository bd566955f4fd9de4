import { crc32 } from "node:zlib";
import { BLOCK } from "./block-device.ts";
import { BlockFiles } from "./block-files.ts";
import type { GuestDisk } from "./guest-disk.ts";
import type { GuestMemory } from "./guest-memory.ts";

/** Blocks of memory: a clock in the first and in the last of all, code that never changes, and what each tick touches. */
const CLOCK = 16;
const CODE = { first: 32, blocks: 512 } as const;
const HEAP = { first: CODE.first + CODE.blocks, blocks: 256 } as const;
const FILES = HEAP.first + HEAP.blocks;
/** Milliseconds of a tick. */
const TICK_MS = 20;
/** Where the kernel keeps what it knows; in memory, as the directories below. */
const STATE = "/proc/kernel";
const IN_MEMORY = ["/proc/", "/dev/shm/", "/run/"];
/** File of a program that counts for as long as the guest runs. */
const COUNT = "/run/count";

/** What the guest knows of itself. */
export interface KernelState {
  /** Token that its agent asks for; empty before its first identity. */
  token: string;
  hostname: string;
  env: Record<string, string>;
  /** Its processes sleep until they are told their time and identity. */
  resting: boolean;
  /** A program counts. */
  counting: boolean;
  /** Generation of the files of its disk, by which it knows the disk again. */
  disk: number;
}

/** A guest that dies says so on its console, and its machine ends. */
export class Panic extends Error {}

/**
 * What goes on in a guest, all of it in its memory and on its disk, so that a copy of both is all that it takes to go on. Its
 * ticks change both ends of its memory together: a copy that was not made at one instant is noticed, as one is whose disk
 * is not of that instant.
 */
export class GuestKernel {
  readonly #memory: GuestMemory;
  readonly #disk: BlockFiles;
  readonly #ram: BlockFiles;
  readonly #waiting = new Set<() => void>();
  #state: KernelState;
  #timer: NodeJS.Timeout | undefined;

  private constructor(memory: GuestMemory, ram: BlockFiles, disk: BlockFiles, state: KernelState) {
    this.#memory = memory;
    this.#ram = ram;
    this.#disk = disk;
    this.#state = state;
  }

  /** Boots a kernel from blank memory. */
  static boot(memory: GuestMemory, disk: GuestDisk, kernel: Buffer): GuestKernel {
    const seed = Buffer.alloc(BLOCK);
    kernel.copy(seed);
    memory.write(CODE.first, seed);
    for (let index = 1; index < CODE.blocks; index++) memory.write(CODE.first + index, codeBlock(seed, index));
    const ram = BlockFiles.format(memory, FILES, memory.blocks - 1);
    const files = BlockFiles.mount(disk) ?? BlockFiles.format(disk);
    const state = { token: "", hostname: "warren", env: {}, resting: false, counting: false, disk: files.generation };
    const booted = new GuestKernel(memory, ram, files, state);
    booted.#save();
    return booted;
  }

  /** Goes on with what is in memory. */
  static resume(memory: GuestMemory, disk: GuestDisk): GuestKernel {
    const ram = BlockFiles.mount(memory, FILES, memory.blocks - 1);
    const files = BlockFiles.mount(disk);
    if (!ram || !files) throw new Panic("there is no kernel in memory");
    const state = JSON.parse(String(ram.read(STATE))) as KernelState;
    const resumed = new GuestKernel(memory, ram, files, state);
    const [first, last] = [CLOCK, memory.blocks - 1].map((block) => memory.read(block).readBigUInt64LE());
    if (first !== last) throw new Panic(`memory is of two instants: ${first} and ${last}`);
    if (files.generation !== state.disk)
      throw new Panic(`the disk is of another instant: ${files.generation}, not ${state.disk}`);
    const seed = memory.read(CODE.first);
    for (let index = 1; index < CODE.blocks; index++) {
      if (!memory.read(CODE.first + index).equals(codeBlock(seed, index))) throw new Panic("code has changed");
    }
    return resumed;
  }

  get state(): Readonly<KernelState> {
    return this.#state;
  }

  update(changes: Partial<KernelState>): void {
    Object.assign(this.#state, changes);
    this.#save();
    if (!this.#state.resting) this.#wake();
  }

  /** Lets the processors run. */
  run(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.#wake();
  }

  /** Stops them: from here on nothing changes. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Resolves while the processors run; `asProcess`: and processes are not at rest. */
  async running(asProcess = true): Promise<void> {
    while (this.#timer === undefined || (asProcess && this.#state.resting)) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  readFile(path: string): Buffer | undefined {
    return this.#place(path).read(path);
  }

  writeFile(path: string, content: Buffer): void {
    this.#place(path).write(path, content);
    this.#noteDisk();
  }

  removeFile(path: string): boolean {
    const removed = this.#place(path).remove(path);
    this.#noteDisk();
    return removed;
  }

  listFiles(): string[] {
    return [...this.#ram.list(), ...this.#disk.list()];
  }

  #place(path: string): BlockFiles {
    return IN_MEMORY.some((directory) => path.startsWith(directory)) ? this.#ram : this.#disk;
  }

  #noteDisk(): void {
    if (this.#state.disk === this.#disk.generation) return;
    this.#state.disk = this.#disk.generation;
    this.#save();
  }

  #save(): void {
    this.#ram.write(STATE, Buffer.from(JSON.stringify(this.#state)));
  }

  #tick(): void {
    const clock = this.#memory.read(CLOCK);
    const now = clock.readBigUInt64LE() + 1n;
    clock.writeBigUInt64LE(now);
    for (const block of [CLOCK, HEAP.first + Number(now % BigInt(HEAP.blocks)), this.#memory.blocks - 1]) {
      this.#memory.write(block, clock);
    }
    if (!this.#state.counting || this.#state.resting) return;
    const count = Number(this.#ram.read(COUNT) ?? 0) + 1;
    this.#ram.write(COUNT, Buffer.from(`${count}\n`));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Bytes of a block of code that follow from the first one and its number. */
function codeBlock(seed: Buffer, index: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  let word = (crc32(seed) ^ index) >>> 0;
  for (let offset = 0; offset < BLOCK; offset += 4) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    block.writeUInt32LE(word, offset);
  }
  return block;
}
