import { opendir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { packTar } from "modern-tar/fs";

/** Bits of a mode that cross the border of a sandbox: a file gives nobody there the rights of its owner. */
const PERMISSIONS = 0o777;

/** What is in a local directory as a tar archive, made while it is read. It fails when something cannot be read. */
export async function packDirectory(local: string): Promise<Readable> {
  // A directory that cannot be read is told of before anything is sent.
  await (await opendir(local)).close();
  return packTar([{ type: "directory", source: local, target: "./" }], {
    map: (header) => ({
      ...header,
      mode: (header.mode ?? 0) & PERMISSIONS,
      // The header itself has whole seconds.
      ...(header.mtime && { pax: { ...header.pax, mtime: String(header.mtime.getTime() / 1000) } }),
    }),
  });
}
