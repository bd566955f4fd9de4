import { open } from "node:fs/promises";
import koffi from "koffi";

/** LOCK_EX | LOCK_NB of flock(2). */
const EXCLUSIVE_WITHOUT_WAIT = 2 | 4;
const EWOULDBLOCK = 11;

/** A lock on a file, held until `release` or the end of the process, however it ends. */
export interface FileLock {
  release(): Promise<void>;
}

/** Takes the exclusive lock of a file (flock(2)), which is made if need be; undefined when another process has it. */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  const file = await open(path, "a", 0o600);
  const flock = koffi.load(null).func("int flock(int fd, int operation)");
  if (flock(file.fd, EXCLUSIVE_WITHOUT_WAIT) === 0) return { release: () => file.close() };
  const errno = koffi.errno();
  await file.close();
  if (errno === EWOULDBLOCK) return undefined;
  throw new Error(`flock of ${path} failed with errno ${errno}`);
}
