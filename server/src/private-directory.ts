import { chmod, lstat, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** Names of which one at least is in each data directory that a server has used. */
const MARKS = ["lock", "control-plane.lock", "host-agent.lock"];
/** What may be in a data directory before a server has used it. */
const BEFORE_FIRST_USE = [".env", "lost+found", "images", "cache", "runs"];

/** All files that this process makes from here on, by whichever library, are for its own user alone. */
export function keepFilesPrivate(): void {
  process.umask(OTHERS);
}

/**
 * Makes a data directory, or takes one that is there, for the user of this process alone. What others can reach in it is
 * closed to them, from the top: whoever works inside from before finds the files closed too. A directory with other
 * things in it, such as /tmp, is refused and stays as it is.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const { mode } = await stat(path);
  if ((mode & OTHERS) === 0) return;
  const names = await readdir(path);
  if (!names.some((name) => MARKS.includes(name)) && !names.every((name) => BEFORE_FIRST_USE.includes(name))) {
    throw new WarrenError(
      "invalid_request",
      `the data directory ${path} holds other things and is open to other users; name a directory for Warren alone, ` +
        `or close this one to others (chmod 700)`,
    );
  }
  await close(path, mode);
}

/** A directory that others cannot enter keeps what is in it: jails below one have modes of their own. */
async function close(directory: string, mode: number): Promise<void> {
  if ((mode & OTHERS) === 0) return;
  await chmod(directory, mode & 0o700);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await lstat(path).catch(absent);
    if (found?.isDirectory()) await close(path, found.mode);
    else if (found && !found.isSymbolicLink() && (found.mode & OTHERS) !== 0) {
      await chmod(path, found.mode & 0o700).catch(absent);
    }
  }
}

/** A running host agent may remove files meanwhile. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
