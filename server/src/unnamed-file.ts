import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { getSystemErrorName } from "node:util";
import koffi from "koffi";

/** O_TMPFILE of open(2), on all processors that Warren runs on, and what it takes beside it. */
const TEMPORARY = 0o20000000 | constants.O_DIRECTORY | constants.O_RDWR;
/** AT_FDCWD and AT_SYMLINK_FOLLOW of linkat(2). */
const WORKING_DIRECTORY = -100;
const FOLLOW = 0x400;
/** What a file system says that has no such files. */
const WITHOUT = ["ENOTSUP", "EOPNOTSUPP", "EISDIR", "EINVAL"];

/**
 * Opens a file of a directory that has no name and is gone with the process, however that ends, unless `nameFile` gives it
 * one; undefined where the file system has no such files.
 */
export async function openUnnamed(directory: string, mode: number): Promise<FileHandle | undefined> {
  try {
    return await open(directory, TEMPORARY, mode);
  } catch (error) {
    if (WITHOUT.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Gives it a name, which must be free: throws EEXIST when it is not. */
export function nameFile(file: FileHandle, path: string): void {
  const linkat = koffi.load(null).func("int linkat(int from, const char *old, int to, const char *new, int flags)");
  if (linkat(WORKING_DIRECTORY, `/proc/self/fd/${file.fd}`, WORKING_DIRECTORY, path, FOLLOW) === 0) return;
  const code = getSystemErrorName(-koffi.errno());
  throw Object.assign(new Error(`${code}: a file could not be named ${path}`), { code });
}
