import { randomBytes } from "node:crypto";
import { open, readdir, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Names of the temporary files of `writeFileDurably`. */
const TEMPORARY = /^\.[0-9a-f]{12}\.tmp$/;

/**
 * Replaces a file so that after a crash or a loss of power either the old or the new content stands: temporary file in
 * the same directory, fsync, rename, fsync of the directory (fsync(2), rename(2)).
 */
export async function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.tmp`);
  const file = await open(temporary, "wx", mode);
  try {
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes what processes left in a directory that ended while they wrote a file of it. Nobody may be writing there. */
export async function removeUnfinishedWrites(directory: string): Promise<void> {
  for (const name of await readdir(directory)) if (TEMPORARY.test(name)) await unlink(join(directory, name));
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
