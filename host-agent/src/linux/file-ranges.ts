import { WarrenError } from "@warren/contracts/errors";
import koffi from "koffi";
import { offThread, onThread } from "./calls.ts";
import { systemError } from "./errors.ts";

const libc = koffi.load(null);
const copyFileRangeCall = libc.func(
  "int64 copy_file_range(int source, void *sourceOffset, int target, void *targetOffset, size_t length, uint flags)",
);
const sendfile = libc.func("int64 sendfile(int target, int source, void *sourceOffset, size_t length)");
const fallocate = libc.func("int fallocate(int fd, int mode, int64 offset, int64 length)");
const lseek = libc.func("int64 lseek(int fd, int64 offset, int whence)");

const EINTR = koffi.os.errno.EINTR;
const ENXIO = koffi.os.errno.ENXIO;
const EXDEV = koffi.os.errno.EXDEV;
const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/**
 * Copies a part of one file to another inside the kernel (copy_file_range(2)): shared extents where the file system
 * can, a copy elsewhere. Short parts are copied at once, long ones off the main thread. Moves the position of the target
 * when the files lie on different file systems.
 */
export async function copyFileRange(
  source: number,
  sourceOffset: number,
  target: number,
  targetOffset: number,
  length: number,
): Promise<void> {
  const offsets = new BigInt64Array([BigInt(sourceOffset), BigInt(targetOffset)]);
  const from = offsets.subarray(0, 1);
  const to = offsets.subarray(1);
  let left = length;
  while (left > 0) {
    const part = Math.min(left, LONGEST_PART);
    const call = part > LONGEST_BLOCKING_PART ? offThread : onThread;
    const { result: copied, errno } = await call(copyFileRangeCall, source, from, target, to, part, 0);
    if (copied === 0) throw endedEarly();
    if (copied > 0) left -= copied;
    else if (errno === EXDEV) return sendFile(source, from, target, to, left);
    else if (errno !== EINTR) throw systemError("copy_file_range", errno);
  }
}

/** Copies between file systems (sendfile(2)), from the offset of the source to that of the target. */
async function sendFile(
  source: number,
  from: BigInt64Array,
  target: number,
  to: BigInt64Array,
  length: number,
): Promise<void> {
  if (Number(lseek(target, to[0], SEEK_SET)) < 0) throw systemError("lseek", koffi.errno());
  let left = length;
  while (left > 0) {
    const part = Math.min(left, LONGEST_PART);
    const call = part > LONGEST_BLOCKING_PART ? offThread : onThread;
    const { result: copied, errno } = await call(sendfile, target, source, from, part);
    if (copied === 0) throw endedEarly();
    if (copied > 0) left -= copied;
    else if (errno !== EINTR) throw systemError("sendfile", errno);
  }
}

function endedEarly(): WarrenError {
  return new WarrenError("internal_error", "a file ended while it was copied");
}

/** A copy this long takes about as long as the way to another thread and back. */
const LONGEST_BLOCKING_PART = 64 * 1024;
const LONGEST_PART = 16 * 1024 * 1024;

/** Gives the blocks of a part of a file back, so that it reads as zeros (fallocate(2)). */
export function punchHole(fd: number, offset: number, length: number): void {
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) !== 0) {
    throw systemError("fallocate", koffi.errno());
  }
}

/** The next part of a file from `position` on that is no hole; undefined when only holes follow (lseek(2)). */
export function nextData(fd: number, position: number): { start: number; end: number } | undefined {
  const start = Number(lseek(fd, position, SEEK_DATA));
  if (start < 0) {
    const errno = koffi.errno();
    if (errno === ENXIO) return undefined;
    throw systemError("lseek", errno);
  }
  const end = Number(lseek(fd, start, SEEK_HOLE));
  if (end < 0) throw systemError("lseek", koffi.errno());
  return { start, end };
}
