import { chmod, chown, lstat, mkdir, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;
/** Those that let others put something into a directory, and the one with which they cannot move what is not theirs. */
const OTHERS_WRITE = 0o022;
const ANYBODY_WRITES = 0o002;
const STICKY = 0o1000;

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
 * things in it, such as /tmp, is refused and stays as it is; so is one in which another user has put something, which
 * might be a database, or can put another in its place.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await make(path);
  await checkWayTo(path);
  await takeOwnership(path);
  const { mode } = await stat(path);
  if ((mode & OTHERS) === 0) return;
  const names = await readdir(path);
  if (!names.some((name) => MARKS.includes(name)) && !names.every((name) => BEFORE_FIRST_USE.includes(name))) {
    throw refusal(
      path,
      "holds other things and is open to other users; name a directory for Warren alone, or close this one to others " +
        "(chmod 700)",
    );
  }
  await checkOwners(path, path, mode);
  await close(path, mode);
}

async function make(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw refusal(path, "is there and is no directory; name another");
    if (code === "ENOTDIR") throw refusal(path, "is below what is no directory; name another");
    throw error;
  }
}

/** Refuses a path that other users can make lead elsewhere while it is in use. */
async function checkWayTo(path: string): Promise<void> {
  for (const part of waysTo(resolve(path))) {
    const found = await lstat(part);
    if (found.isSymbolicLink() && !isOwn(found.uid)) throw refusal(path, `is behind a link of another user, ${part}`);
  }
  for (const part of waysTo(dirname(await realpath(path)))) {
    const { mode } = await stat(part);
    if ((mode & ANYBODY_WRITES) !== 0 && (mode & STICKY) === 0) {
      throw refusal(path, `is below ${part}, where every user can put another in its place (chmod o-w closes that)`);
    }
  }
}

/** A path and all directories above it. */
function waysTo(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...waysTo(above), path];
}

/** Takes a directory that another user has made, when nothing is in it. */
async function takeOwnership(path: string): Promise<void> {
  const { uid, mode } = await stat(path);
  if (isOwn(uid)) return;
  const refused = refusal(path, `belongs to another user (id ${uid}); give it to this one (chown), or name another`);
  if (process.getuid!() !== 0 || (await readdir(path)).length > 0) throw refused;
  await chown(path, 0, 0);
  await chmod(path, mode & 0o700);
  // Its owner may have been quicker.
  if ((await readdir(path)).length > 0) throw refused;
}

/**
 * Refuses what other users have put into a directory, or into one below it, while they could. What is of another user where
 * only this one could put it is there by intent, such as the jail of a microVM.
 */
async function checkOwners(top: string, directory: string, mode: number): Promise<void> {
  if ((mode & OTHERS) === 0) return;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await lstat(path).catch(absent);
    if (!found) continue;
    if (isOwn(found.uid)) {
      if (found.isDirectory()) await checkOwners(top, path, found.mode);
    } else if ((mode & OTHERS_WRITE) !== 0) {
      throw refusal(top, `holds ${relative(top, path)} of another user (id ${found.uid}); remove it`);
    }
  }
}

/** Whether something is of the user of this process, or of root, who may do everything anyway. */
function isOwn(uid: number): boolean {
  return uid === 0 || uid === process.getuid!();
}

function refusal(path: string, why: string): WarrenError {
  return new WarrenError("invalid_request", `the data directory ${path} ${why}`);
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
