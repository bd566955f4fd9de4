import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, constants, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { getSystemErrorMessage } from "node:util";
import type { Sandbox } from "@warren/sdk";
import type { FilePair } from "./arguments/parse.ts";

/** Bits of a mode that cross the border of a sandbox: a file from one gives nobody the rights of its owner. */
const PERMISSIONS = 0o777;

/** How a transfer is done. */
export interface TransferOptions {
  /** User of the sandbox whose rights are used there. */
  user?: string;
  signal?: AbortSignal;
}

/** Throws unless a local file can be uploaded; known before a sandbox is made. */
export async function checkReadable(local: string): Promise<void> {
  const refuse = (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new Error(`There is no file ${local}.`);
    throw new Error(`${local} cannot be read: ${getSystemErrorMessage(error.errno ?? 0)}`);
  };
  const found = await stat(local).catch(refuse);
  if (found.isDirectory())
    throw new Error(`${local} is a directory: pack it into one file first, for instance with tar.`);
  await access(local, constants.R_OK).catch(refuse);
}

/** Throws unless there is a directory for a file that is to be downloaded. */
export async function checkWritable(local: string): Promise<void> {
  const directory = local.endsWith("/") ? local : join(local, "..");
  const found = (await isDirectory(local)) || (await isDirectory(directory));
  if (found) return;
  throw new Error(`There is no directory ${directory}${directory === local ? "" : ` for ${basename(local)}`}.`);
}

/** Copies a local file into a sandbox, with its mode and time; into a directory, under its own name. */
export async function uploadFile(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const found = await stat(local);
  // Those of a pipe or a device say nothing of what comes out of it.
  const known = found.isFile()
    ? { size: found.size, mode: found.mode & PERMISSIONS, modifiedAt: found.mtime }
    : undefined;
  await sandbox.files.write(guest, createReadStream(local), { ...options, ...known, name: basename(local) });
}

/** Copies a file of a sandbox here, with its mode and time. It has its name only when it is complete. */
export async function downloadFile(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const named = (await isDirectory(local)) ? join(local, posix.basename(guest)) : local;
  const existing = await stat(named).catch(() => undefined);
  if (existing?.isDirectory()) throw new Error(`${named} is a directory: name another place for the file.`);
  const { content, mode, modifiedAt } = await sandbox.files.open(guest, options);
  if (existing && !existing.isFile()) return pipeline(content, createWriteStream(named, { flags: "w" }));
  // What a link leads to is replaced, not the link.
  const target = existing ? await realpath(named) : named;
  const partial = `${target}.warren-${randomUUID()}`;
  await using file = await open(partial, "wx", mode === undefined ? 0o666 : 0o600).catch((error) => {
    content.destroy();
    throw Object.assign(error, { path: named });
  });
  try {
    await file.writeFile(content);
    if (mode !== undefined) await file.chmod(mode & PERMISSIONS);
    if (modifiedAt) await file.utimes(new Date(), modifiedAt);
    await rename(partial, target);
  } catch (error) {
    content.destroy();
    await rm(partial, { force: true });
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
