import { readdirSync, readlinkSync } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "../../logging.ts";
import { lockOpenFile } from "./flock.ts";

/** Seconds in which a former server that was left alone ends by itself, and in which one that is told to does. */
const ENDS_SECONDS = 20;
const OBEYS_SECONDS = 5;

/** The lock of a cluster, which lasts as long as any process that was given the descriptor. */
export interface ClusterLock {
  readonly fd: number;
  /** This process no longer has it; again is no error. */
  release(): Promise<void>;
}

/**
 * Takes the lock of a cluster: no process of a former server works on it then. Such a server was left by a control plane
 * that was killed, and ends by itself; one that does not is ended. The caller holds the lock of the data directory.
 */
export async function lockCluster(directory: string, log: Logger): Promise<ClusterLock> {
  const path = join(directory, "lock");
  const file = await open(path, "a", 0o600);
  const lock = { fd: file.fd, release: () => file.close() };
  try {
    if (await lockOpenFile(file.fd, 0)) return lock;
    log.info("waiting for the server of the embedded database that an earlier control plane left");
    if (await lockOpenFile(file.fd, ENDS_SECONDS)) return lock;
    for (const signal of ["SIGQUIT", "SIGKILL"] as const) {
      const pids = await holders(path);
      log.warn({ pids, signal }, "ending the server of the embedded database that an earlier control plane left");
      for (const pid of pids) end(pid, signal);
      if (await lockOpenFile(file.fd, OBEYS_SECONDS)) return lock;
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  const pids = await holders(path);
  await file.close();
  throw new WarrenError(
    "database_unavailable",
    `an earlier server of the embedded database does not end (processes ${pids.join(", ")}); end it, then start again`,
  );
}

/** Other processes that have a file open. */
async function holders(path: string): Promise<number[]> {
  const file = await realpath(path);
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  return pids.filter((pid) => hasOpen(pid, file)).map(Number);
}

function hasOpen(pid: string, file: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linksTo(`/proc/${pid}/fd/${fd}`, file));
  } catch {
    // It has ended, or belongs to another user and so is none of ours.
    return false;
  }
}

function linksTo(link: string, file: string): boolean {
  try {
    return readlinkSync(link) === file;
  } catch {
    return false;
  }
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
