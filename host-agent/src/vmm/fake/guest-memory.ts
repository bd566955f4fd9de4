import koffi from "koffi";
import { systemError } from "../../linux/errors.ts";
import { BLOCK, type BlockDevice } from "./block-device.ts";

const libc = koffi.load(null);
const mmap = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int fd, int64 offset)");

const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 2;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Memory of a guest: a file mapped copy-on-write, as VMMs map it. */
export class GuestMemory implements BlockDevice {
  readonly blocks: number;
  readonly #bytes: Buffer;

  constructor(fd: number, length: number) {
    const address = BigInt(mmap(null, length, PROT_READ_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0));
    if (address === MAP_FAILED) throw systemError("mmap");
    this.#bytes = Buffer.from(koffi.view(address, length));
    this.blocks = length / BLOCK;
  }

  read(index: number): Buffer {
    return Buffer.from(this.#bytes.subarray(index * BLOCK, (index + 1) * BLOCK));
  }

  write(index: number, data: Buffer): void {
    data.copy(this.#bytes, index * BLOCK, 0, BLOCK);
  }
}
