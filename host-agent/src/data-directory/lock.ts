import { type FileHandle, open } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import koffi from "koffi";

const LOCK_EX_NB = 2 | 4; // LOCK_EX | LOCK_NB, flock(2)
const EWOULDBLOCK = 11;

/** A lock on a file, held until `release` or the end of the process, however it ends. */
export interface FileLock {
  release(): Promise<void>;
}

/** Takes the exclusive lock of a file (flock(2)), or throws `conflict` naming `what` when another process has it. */
export async function lockFile(path: string, what: string): Promise<FileLock> {
  const file: FileHandle = await open(path, "a", 0o600);
  const flock = koffi.load(null).func("int flock(int fd, int operation)");
  if (flock(file.fd, LOCK_EX_NB) !== 0) {
    const errno = koffi.errno();
    await file.close();
    if (errno === EWOULDBLOCK) {
      throw new WarrenError(
        "conflict",
        `${what} is in use by another process (${path}); stop that one first, or name another directory`,
      );
    }
    throw new WarrenError("internal_error", `cannot lock ${path}: errno ${errno}`);
  }
  return { release: () => file.close() };
}
