import { join } from "node:path";
import { type FileLock, lockFile, tryLockFile } from "@warren/server/file-lock";

/**
 * Takes the lock of a directory of servers, which it hands down to them (docs/processes.md); undefined when another process
 * has it.
 */
export function lockDirectory(directory: string): Promise<FileLock | undefined> {
  return tryLockFile(join(directory, "lock"));
}

/** The same when no other process has it any longer. */
export function awaitDirectory(directory: string): Promise<FileLock> {
  return lockFile(join(directory, "lock"));
}
