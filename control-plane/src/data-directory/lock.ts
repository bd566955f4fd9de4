import { open } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { makePrivateDirectory } from "@warren/server/private-directory";
import koffi from "koffi";

/** LOCK_EX | LOCK_NB of flock(2). */
const EXCLUSIVE_WITHOUT_WAIT = 2 | 4;
const EWOULDBLOCK = 11;

/** Claim on a data directory, held until it is released or the process ends, however it ends. */
export interface DataDirectoryLock {
  release(): Promise<void>;
}

/** Makes the data directory if need be and claims it; throws `conflict` while another control plane runs on it. */
export async function lockDataDirectory(dataDir: string): Promise<DataDirectoryLock> {
  const path = join(dataDir, "control-plane.lock");
  const file = await openLockFile(dataDir, path);
  const flock = koffi.load(null).func("int flock(int fd, int operation)");
  if (flock(file.fd, EXCLUSIVE_WITHOUT_WAIT) === 0) return { release: () => file.close() };
  const errno = koffi.errno();
  await file.close();
  if (errno !== EWOULDBLOCK) throw new Error(`flock of ${path} failed with errno ${errno}`);
  throw new WarrenError(
    "conflict",
    `another Warren control plane runs on the data directory ${dataDir}; stop it first, or name another directory`,
  );
}

async function openLockFile(dataDir: string, path: string) {
  try {
    await makePrivateDirectory(dataDir);
    return await open(path, "a", 0o600);
  } catch (error) {
    if (error instanceof WarrenError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new WarrenError(
      "invalid_request",
      `the data directory ${dataDir} cannot be used (${code}); make it writable for this user, or name another directory`,
      { cause: error },
    );
  }
}
