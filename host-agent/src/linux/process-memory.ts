import { WarrenError } from "@warren/contracts/errors";
import koffi from "koffi";
import { offThread } from "./calls.ts";
import { systemError } from "./errors.ts";

const libc = koffi.load(null);
const processVmReadv = libc.func(
  "int64 process_vm_readv(int pid, const void *local, ulong localCount, const void *remote, ulong remoteCount, ulong flags)",
);
const getpagesize = libc.func("int getpagesize()");

const IOV_MAX = 1024;
const IOVEC_LENGTH = 16;

/** A part of the memory of a process, in bytes. */
export interface MemoryRange {
  offset: number;
  length: number;
}

/** Bytes of a page of this machine. */
export const hostPageSize: number = getpagesize();

/** Address of a buffer in this process. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/**
 * Copies ranges of another process, given relative to `base`, back to back into `target` (process_vm_readv(2)), off the
 * main thread.
 */
export async function readProcessMemory(
  pid: number,
  base: bigint,
  ranges: readonly MemoryRange[],
  target: Uint8Array,
): Promise<void> {
  let filled = 0;
  for (let first = 0; first < ranges.length; first += IOV_MAX) {
    const part = ranges.slice(first, first + IOV_MAX);
    const remote = Buffer.allocUnsafe(part.length * IOVEC_LENGTH);
    let length = 0;
    for (const [index, range] of part.entries()) {
      remote.writeBigUInt64LE(base + BigInt(range.offset), index * IOVEC_LENGTH);
      remote.writeBigUInt64LE(BigInt(range.length), index * IOVEC_LENGTH + 8);
      length += range.length;
    }
    if (filled + length > target.length) throw new RangeError("the ranges do not fit into the buffer");
    const local = Buffer.allocUnsafe(IOVEC_LENGTH);
    local.writeBigUInt64LE(addressOf(target) + BigInt(filled), 0);
    local.writeBigUInt64LE(BigInt(length), 8);
    const { result: copied, errno } = await offThread(processVmReadv, pid, local, 1, remote, part.length, 0);
    if (copied !== length) {
      const reason =
        copied < 0 ? systemError("process_vm_readv", errno).code : `${copied} of ${length} bytes were there`;
      throw new WarrenError("invalid_state", `the memory of process ${pid} cannot be read: ${reason}`);
    }
    filled += length;
  }
}
