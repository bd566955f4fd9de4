import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type FileLock, tryLockFile } from "./file-lock.ts";
import { makePrivateDirectory } from "./private-directory.ts";

/** The servers that keep state in a data directory, which the two may share. */
export type Server = "control plane" | "host agent";

/** Makes a data directory if need be, for this user alone, and claims it for one server of a kind. */
export async function claimDataDirectory(dataDir: string, server: Server): Promise<FileLock> {
  return explained(dataDir, async () => {
    await makePrivateDirectory(dataDir);
    return lock(dataDir, server);
  });
}

/** Claims a data directory that is there; throws `conflict` while another server of the kind runs on it. */
export async function lockDataDirectory(dataDir: string, server: Server): Promise<FileLock> {
  return explained(dataDir, () => lock(dataDir, server));
}

async function lock(dataDir: string, server: Server): Promise<FileLock> {
  const taken = await tryLockFile(join(dataDir, `${server.replace(" ", "-")}.lock`));
  if (taken) return taken;
  throw new WarrenError(
    "conflict",
    `another Warren ${server} runs on the data directory ${dataDir}; stop it first, or name another directory`,
  );
}

/** What a system call refuses is said as the operator can mend it. */
async function explained<T>(dataDir: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
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
