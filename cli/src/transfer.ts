import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Sandbox } from "@warren/sdk";
import type { FilePair } from "./arguments/parse.ts";

/** How a transfer is done. */
export interface TransferOptions {
  /** User of the sandbox that owns what is written there. */
  user?: string;
  signal?: AbortSignal;
}

/** Throws unless a local file can be uploaded; known before a sandbox is made. */
export async function checkReadable(local: string): Promise<void> {
  const found = await stat(local).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === "ENOENT" ? `There is no file ${local}.` : `${local} cannot be read: ${error.message}`,
    );
  });
  if (found.isDirectory())
    throw new Error(`${local} is a directory: pack it into one file first, for instance with tar.`);
}

/** Throws unless there is a directory for a file that is to be downloaded. */
export async function checkWritable(local: string): Promise<void> {
  const directory = join(local, "..");
  const found = (await isDirectory(local)) || (await isDirectory(directory));
  if (!found) throw new Error(`There is no directory ${directory} for ${basename(local)}.`);
}

/** Copies a local file into a sandbox. A guest path that ends with a slash keeps the file's name. */
export async function uploadFile(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const found = await stat(local);
  const path = guest.endsWith("/") ? guest + basename(local) : guest;
  // The size of a pipe or a device is not known.
  const size = found.isFile() ? { size: found.size } : {};
  await sandbox.upload(path, createReadStream(local), { ...options, ...size });
}

/** Copies a file of a sandbox here. It has its name only when it is complete. */
export async function downloadFile(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const target = (await isDirectory(local)) ? join(local, posix.basename(guest)) : local;
  const content = await sandbox.download(guest, options);
  const existing = await stat(target).catch(() => undefined);
  if (existing && !existing.isFile()) return pipeline(content, createWriteStream(target, { flags: "w" }));
  const partial = `${target}.warren-${process.pid}`;
  try {
    await pipeline(content, createWriteStream(partial));
    await rename(partial, target);
  } catch (error) {
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
