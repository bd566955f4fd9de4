import { WarrenError } from "@warren/contracts/errors";
import { type FileLock, tryLockFile } from "@warren/server/file-lock";

/** Takes the exclusive lock of a file, or throws `conflict` naming `what` when another process has it. */
export async function lockFile(path: string, what: string): Promise<FileLock> {
  const lock = await tryLockFile(path);
  if (lock) return lock;
  throw new WarrenError(
    "conflict",
    `${what} is in use by another process (${path}); stop that one first, or name another directory`,
  );
}
