import { access, constants, lstat, mkdir, rmdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import type { Sandbox } from "@warren/sdk";
import type { FilePair } from "../arguments/parse.ts";
import type { TransferOptions } from "../transfer.ts";
import { pack } from "./pack.ts";
import { unpack } from "./unpack.ts";

/** Copies a local directory into a sandbox, with modes, times and links. A directory that is there gets it inside. */
export async function uploadTree(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const { files } = sandbox;
  await access(local, constants.R_OK | constants.X_OK);
  const there = await files.stat(guest, options).catch((error) => {
    if (error.code === "file_not_found") return undefined;
    throw error;
  });
  const root = there || guest.endsWith("/") ? posix.join(guest, basename(local)) : guest;
  const { archive, packed } = pack(local, options.signal);
  try {
    await files.writeArchive(root, archive, options);
    await packed;
  } finally {
    archive.destroy();
  }
}

/** Copies a directory of a sandbox here, with modes, times and those links that stay inside of it. */
export async function downloadTree(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const source = await sandbox.files.stat(guest, options);
  const there = await stat(local).catch(() => undefined);
  const root = there?.isDirectory() ? join(local, nameOf(source.path)) : local;
  await makeNew(root);
  try {
    await fetchTree(sandbox, source.path, root, options);
  } catch (error) {
    // Stays unless nothing came.
    await rmdir(root).catch(() => undefined);
    throw error;
  }
}

/** Makes a directory here in a place where nothing is. */
async function makeNew(root: string): Promise<void> {
  const there = await lstat(root).catch(() => undefined);
  if (there?.isDirectory())
    throw new Error(`${root} is there already: remove it, or name another place for the directory.`);
  if (there)
    throw new Error(`${root} is there already and no directory: remove it, or name another place for the directory.`);
  await mkdir(root, 0o700);
}

/** Fills a new directory here with what is in one of the sandbox. */
async function fetchTree(sandbox: Sandbox, path: string, root: string, options: TransferOptions): Promise<void> {
  const archive = await sandbox.files.openArchive(path, options);
  try {
    await unpack(archive, root, posix.basename(path));
  } finally {
    archive.destroy();
  }
}

/** Name of a directory of the sandbox, which tells its path. */
function nameOf(path: string): string {
  const name = posix.basename(posix.normalize(path));
  if (!posix.isAbsolute(path) || name === "" || name === "..")
    throw new Error(`${JSON.stringify(path)} of the sandbox has no name: say what the copy is to be called.`);
  return name;
}
