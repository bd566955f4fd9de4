import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "@warren/server/durable-file";
import { syncFileSystem } from "@warren/server/file-system-sync";
import type { Logger } from "../../logging.ts";
import { lockCluster } from "./cluster-lock.ts";
import { exists } from "./publish.ts";

/** Why a cluster takes the place of another. */
export type Reason = "restore" | "upgrade";

/** Directory below that of the database in which a cluster is made that is to replace the present one. */
const STAGE = "new";
/** Name of a cluster that is complete and is to take the place of the present one, and of the one that it takes it from. */
const COMPLETE: Record<Reason, string> = { restore: "cluster.restored", upgrade: "cluster.upgraded" };
const KEPT: Record<Reason, string> = { restore: "cluster.before-restore", upgrade: "cluster.before-upgrade" };

/** Makes an empty directory for a new cluster, beside the present one. */
export async function makeStage(directory: string): Promise<string> {
  const stage = join(directory, STAGE);
  await mkdir(stage, { mode: 0o700 });
  return stage;
}

/**
 * Puts the cluster of a stage, on which no server runs, in the place of the present one, which is kept under a name that is
 * returned; one that was kept before for the same reason goes. Whatever ends the process or the machine, the one or the
 * other is found: from the first renaming on it is the new one, by `settleReplacement` at the next start.
 */
export async function replaceCluster(directory: string, reason: Reason, log: Logger): Promise<string | undefined> {
  const staged = join(directory, STAGE, "cluster");
  const kept = (await exists(join(directory, "cluster"))) ? join(directory, KEPT[reason]) : undefined;
  await syncFileSystem(staged);
  await rename(staged, join(directory, COMPLETE[reason]));
  await syncDirectory(directory);
  await settleReplacement(directory, log);
  return kept;
}

/**
 * Ends what was begun: a complete cluster takes its place, an incomplete one is removed. The caller holds the lock of the
 * data directory.
 */
export async function settleReplacement(directory: string, log: Logger): Promise<void> {
  const present = join(directory, "cluster");
  for (const reason of ["restore", "upgrade"] as const) {
    const complete = join(directory, COMPLETE[reason]);
    if (!(await exists(complete))) continue;
    if (await exists(present)) {
      await rm(join(directory, KEPT[reason]), { recursive: true, force: true });
      await rename(present, join(directory, KEPT[reason]));
    }
    await rename(complete, present);
    await syncDirectory(directory);
  }
  await removeStage(directory, log);
}

/** A server of a process that was killed may be ending on it. */
async function removeStage(directory: string, log: Logger): Promise<void> {
  const stage = join(directory, STAGE);
  if (!(await exists(stage))) return;
  const lock = await lockCluster(stage, log);
  try {
    await rm(stage, { recursive: true, force: true });
  } finally {
    lock.release();
  }
}
