import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { syncDirectory } from "@warren/server/durable-file";
import { lockFile } from "@warren/server/file-lock";
import { syncFileSystem } from "@warren/server/file-system-sync";

/** Ends the names of directories that are not complete yet. */
const TEMPORARY = ".tmp";

/**
 * Fills a temporary directory beside `directory` and renames it into place: whatever ends the process or the machine leaves
 * all of it or nothing. Whoever comes second discards its own.
 */
export async function publish(directory: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${directory}.${randomUUID()}${TEMPORARY}`;
  try {
    await fill(temporary);
    await syncFileSystem(temporary);
    await rename(temporary, directory);
    await syncDirectory(dirname(directory));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

/** Whether a name is that of a directory that is not complete yet. */
export function isUnpublished(name: string): boolean {
  return name.endsWith(TEMPORARY);
}

/**
 * Fills a directory of a cache, unless it is there: once for all processes that ask for it at the same time. What earlier
 * ones left that were ended meanwhile is removed.
 */
export async function publishOnce(
  cacheDir: string,
  directory: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  if (await exists(directory)) return;
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
  const lock = await lockFile(join(cacheDir, "database.lock"));
  try {
    if (await exists(directory)) return;
    await removeUnpublished(directory);
    await publish(directory, fill);
  } finally {
    lock.release();
  }
}

/** Removes what processes left that were ended while they filled a directory. Nobody may be filling it. */
export async function removeUnpublished(directory: string): Promise<void> {
  const names = await readdir(dirname(directory)).catch(() => []);
  for (const name of names) {
    if (name.startsWith(`${basename(directory)}.`) && isUnpublished(name)) {
      await rm(join(dirname(directory), name), { recursive: true, force: true });
    }
  }
}

/** Copies a directory, with owners and modes, to one that does not exist yet: for hundreds of small files Node takes five times as long. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  const copy = ["cp", "--archive", "--reflink=auto", "--no-target-directory", "--", from, to];
  // It ends with this process, so that nothing comes into what is removed as incomplete.
  await promisify(execFile)("setpriv", ["--pdeathsig=KILL", "--", ...copy]);
}

/** Whether there is something at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
