import { mkdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Sandbox } from "@warren/sdk";
import type { FilePair } from "../arguments/parse.ts";
import type { TransferOptions } from "../transfer.ts";
import { PACK, pack, shownOf, UNPACK } from "./pack.ts";
import { unpack } from "./unpack.ts";

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
  const { path } = await files.mkdir(root, { ...options, parents: true });
  const remote = await sandbox.stream("tar", [...UNPACK, "--directory", path], { ...options, stdin: true });
  try {
    remote.stdout.resume();
    const words = shownOf(remote.stderr);
    const { archive, packed } = pack(local, options.signal);
    // A sandbox that takes no more says why.
    const sent = pipeline(archive, remote.stdin).catch(() => archive.destroy());
    const { exitCode } = await remote.exit;
    archive.destroy();
    await sent;
    if (exitCode !== 0) throw new Error(`The sandbox could not write all of ${root}: ${(await words).trim()}`);
    await packed;
  } finally {
    remote.close();
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
  await mkdir(root, 0o700);
  const remote = await sandbox.stream("tar", [...PACK, "--directory", source.path, "."], options);
  try {
    const words = shownOf(remote.stderr);
    await unpack(remote.stdout, root);
    const { exitCode } = await remote.exit;
    if (exitCode !== 0) throw new Error(`The sandbox could not read all of ${guest}: ${(await words).trim()}`);
  } finally {
    remote.close();
  }
}

/** Name of a directory of the sandbox, which tells its path. */
function nameOf(path: string): string {
  const name = posix.basename(posix.normalize(path));
  if (!posix.isAbsolute(path) || name === "" || name === "..")
    throw new Error(`${JSON.stringify(path)} of the sandbox has no name: say what the copy is to be called.`);
  return name;
}
