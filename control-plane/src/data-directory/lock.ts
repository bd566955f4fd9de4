import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type FileLock, tryLockFile } from "@warren/server/file-lock";
import { makePrivateDirectory } from "@warren/server/private-directory";

/** Makes the data directory if need be and claims it; throws `conflict` while another control plane runs on it. */
export async function lockDataDirectory(dataDir: string): Promise<FileLock> {
  const lock = await tryLock(dataDir);
  if (lock) return lock;
  throw new WarrenError(
    "conflict",
    `another Warren control plane runs on the data directory ${dataDir}; stop it first, or name another directory`,
  );
}

async function tryLock(dataDir: string): Promise<FileLock | undefined> {
  try {
    await makePrivateDirectory(dataDir);
    return await tryLockFile(join(dataDir, "control-plane.lock"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof WarrenError || code === undefined) throw error;
    throw new WarrenError(
      "invalid_request",
      `the data directory ${dataDir} cannot be used (${code}); make it writable for this user, or name another directory`,
      { cause: error },
    );
  }
}
