import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { FileLock } from "@warren/server/file-lock";
import { awaitDirectory, lockDirectory } from "./directory-lock.ts";
import { runHostAgentTask } from "./programs.ts";
import { ServerError } from "./server-process.ts";

/** State of a stack that lives for one command, under `{data dir}/runs/`. Its lock tells it from what a killed run left. */
export class RunDirectory {
  readonly path: string;
  readonly lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.path = path;
    this.lock = lock;
  }

  /** Makes a new one. */
  static async create(dataDir: string): Promise<RunDirectory> {
    const runs = await openRuns(dataDir);
    try {
      const path = join(dataDir, "runs", randomBytes(4).toString("hex"));
      await mkdir(path, { mode: 0o700 });
      return new RunDirectory(path, (await lockDirectory(path))!);
    } finally {
      runs.release();
    }
  }

  /** Those whose run was killed, now locked by the caller, which must remove them. */
  static async findStale(dataDir: string): Promise<RunDirectory[]> {
    const runs = await openRuns(dataDir);
    try {
      const entries = await readdir(join(dataDir, "runs"), { withFileTypes: true });
      const stale: RunDirectory[] = [];
      for (const entry of entries.filter((entry) => entry.isDirectory())) {
        const path = join(dataDir, "runs", entry.name);
        const lock = await lockDirectory(path);
        if (lock) stale.push(new RunDirectory(path, lock));
      }
      return stale;
    } finally {
      runs.release();
    }
  }

  /** Ends and removes what a dead host agent of this directory left: processes, namespaces, mounts. */
  async sweep(): Promise<void> {
    const { status, stderr } = await runHostAgentTask(["sweep", "--data-dir", this.path], { stderr: "capture" });
    if (status !== 0) {
      throw new ServerError(`What an earlier run left in ${this.path} could not be removed:\n${stderr.trim()}`);
    }
  }

  /** Removes the directory; its servers must have ended. */
  async remove(): Promise<void> {
    // Nothing else is waited for here, and promises would take a turn of the thread pool for each name.
    rmSync(this.path, { recursive: true, force: true });
    this.lock.release();
  }
}

/** Holds back other runs, so that none takes a directory for stale between its making and its locking. */
async function openRuns(dataDir: string): Promise<FileLock> {
  const directory = join(dataDir, "runs");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return awaitDirectory(directory);
}
