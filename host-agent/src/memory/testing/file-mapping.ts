import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import type { MemoryMapping } from "../guest-memory.ts";
import { PAGE_SIZE } from "../pages.ts";

const libc = koffi.load(null);
const mmap = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int fd, int64 offset)");
const munmap = libc.func("int munmap(void *address, size_t length)");
const madvise = libc.func("int madvise(void *address, size_t length, int advice)");

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MADV_PAGEOUT = 21;

/** A file mapped into this process, as a VMM maps guest memory. */
export class FileMapping {
  /** The memory itself: reads and writes go to the mapping. */
  readonly memory: Buffer;
  readonly #address: bigint;

  constructor(path: string, length: number, sharing: "private" | "shared" = "private") {
    const fd = openSync(path, "r+");
    try {
      const flags = sharing === "private" ? MAP_PRIVATE : MAP_SHARED;
      this.#address = BigInt(mmap(null, length, PROT_READ_WRITE, flags, fd, 0));
    } finally {
      closeSync(fd);
    }
    if (this.#address === 0xffff_ffff_ffff_ffffn) throw new Error(`mmap: errno ${koffi.errno()}`);
    this.memory = Buffer.from(koffi.view(this.#address, length));
  }

  get mapping(): MemoryMapping {
    return { pid: process.pid, address: this.#address, length: this.memory.length };
  }

  page(index: number): Buffer {
    return this.memory.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
  }

  /** Asks the kernel to write pages to swap space. */
  pageOut(): void {
    if (madvise(this.#address, this.memory.length, MADV_PAGEOUT) !== 0)
      throw new Error(`madvise: errno ${koffi.errno()}`);
  }

  unmap(): void {
    munmap(this.#address, this.memory.length);
  }
}
