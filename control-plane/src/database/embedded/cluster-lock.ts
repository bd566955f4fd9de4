import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { type FileLock, lockFileWithin, processesWithFile, tryLockFile } from "@warren/server/file-lock";
import type { Logger } from "../../logging.ts";

/** Seconds in which a former server that was left alone ends by itself, and in which one that is told to does. */
const ENDS_SECONDS = 20;
const OBEYS_SECONDS = 5;

/**
 * Takes the lock of a cluster: no process of a former server works on it then, to which the lock was handed down. Such a
 * server was left by a control plane that was killed, and ends by itself; one that does not is ended. The caller holds the
 * lock of the data directory.
 */
export async function lockCluster(directory: string, log: Logger): Promise<FileLock> {
  const path = join(directory, "lock");
  const free = await tryLockFile(path);
  if (free) return free;
  log.info("waiting for the server of the embedded database that an earlier control plane left");
  const left = await lockFileWithin(path, ENDS_SECONDS);
  if (left) return left;
  for (const signal of ["SIGQUIT", "SIGKILL"] as const) {
    const pids = await processesWithFile(path);
    log.warn({ pids, signal }, "ending the server of the embedded database that an earlier control plane left");
    for (const pid of pids) end(pid, signal);
    const obeyed = await lockFileWithin(path, OBEYS_SECONDS);
    if (obeyed) return obeyed;
  }
  const pids = await processesWithFile(path);
  throw new WarrenError(
    "database_unavailable",
    `an earlier server of the embedded database does not end (processes ${pids.join(", ")}); end it, then start again`,
  );
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
