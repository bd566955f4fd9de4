import { mkdir, readdir, readlink, stat, symlink } from "node:fs/promises";
import { basename, join, posix, relative, sep } from "node:path";
import { LIMITS } from "@warren/contracts/limits";
import type { FileEntry, Sandbox } from "@warren/sdk";
import type { FilePair } from "./arguments/parse.ts";
import { downloadFile, type TransferOptions, uploadFile } from "./transfer.ts";

/** Copies a local directory into a sandbox, with modes, times and links. A directory that is there gets it inside. */
export async function uploadTree(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const { files } = sandbox;
  const there = await files.stat(guest, options).catch((error) => {
    if (error.code === "file_not_found") return undefined;
    throw error;
  });
  const root = there || guest.endsWith("/") ? posix.join(guest, basename(local)) : guest;
  await files.mkdir(root, { ...options, parents: true });
  for (const entry of await readdir(local, { recursive: true, withFileTypes: true })) {
    const from = join(entry.parentPath, entry.name);
    const to = posix.join(root, relative(local, from).split(sep).join("/"));
    // The directory above may come later in the list.
    if (entry.isDirectory()) await files.mkdir(to, { ...options, parents: true });
    else if (entry.isSymbolicLink()) await uploadLink(sandbox, await readlink(from), to, options);
    else if (entry.isFile()) await uploadFile(sandbox, { local: from, guest: to }, options);
    else throw new Error(`${from} is neither a file nor a directory nor a link.`);
  }
}

/** The sandbox has no other way to make a link than its own program. */
async function uploadLink(sandbox: Sandbox, target: string, path: string, options: TransferOptions): Promise<void> {
  await sandbox.files.mkdir(posix.dirname(path), { ...options, parents: true });
  const { exitCode, stderr } = await sandbox.exec("ln", ["-sfn", "--", target, path], options);
  if (exitCode !== 0) throw new Error(`The link ${path} could not be made: ${stderr.trim()}`);
}

/**
 * Copies a directory of a sandbox here, with modes, times and links. What the sandbox tells is not believed: nothing lands
 * outside of the new directory, and links are made when nothing is written any more.
 */
export async function downloadTree(
  sandbox: Sandbox,
  { local, guest }: FilePair,
  options: TransferOptions,
): Promise<void> {
  const source = await sandbox.files.stat(guest, options);
  const there = await stat(local).catch(() => undefined);
  const root = there?.isDirectory() ? join(local, source.name) : local;
  await mkdir(root);
  const links: { path: string; target: string }[] = [];
  for await (const entry of sandbox.files.list(guest, { ...options, depth: LIMITS.listDepth.max })) {
    const path = join(root, inside(source, entry));
    if (entry.type === "directory") await mkdir(path);
    else if (entry.type === "symlink") links.push({ path, target: entry.target ?? "" });
    else if (entry.type === "file") await downloadFile(sandbox, { local: path, guest: entry.path }, options);
    else throw new Error(`${entry.path} is neither a file nor a directory nor a link.`);
  }
  for (const { path, target } of links) await symlink(target, path);
}

/** Path of an entry below its directory; throws when it is not one. */
export function inside({ path: directory }: Pick<FileEntry, "path">, { path }: Pick<FileEntry, "path">): string {
  const prefix = directory.endsWith("/") ? directory : `${directory}/`;
  const parts = path.slice(prefix.length).split("/");
  const strange = parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"));
  if (!path.startsWith(prefix) || strange)
    throw new Error(`The sandbox lists ${JSON.stringify(path)} in ${directory}.`);
  return join(...parts);
}
