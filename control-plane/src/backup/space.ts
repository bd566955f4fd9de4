import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

const MIB = 1024 * 1024;
/** Bytes of a new cluster with its log, without what it is to hold. */
const CLUSTER_BYTES = 256 * MIB;

/**
 * Throws `host_disk_full` unless there is room for a new cluster beside the present one, with tables and indexes of so many
 * bytes. `what` needs it, in words.
 */
export async function requireSpace(directory: string, bytes: number, what: string): Promise<void> {
  // The database does not get what a file system keeps for root.
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  const needed = CLUSTER_BYTES + bytes;
  if (free >= needed) return;
  throw new WarrenError(
    "host_disk_full",
    `${directory} has ${Math.floor(free / MIB)} MiB free, and ${what} needs ${Math.ceil(needed / MIB)} MiB there beside the ` +
      "present database; free some and try again",
  );
}

/** Bytes of tables and indexes of a cluster, on which no server runs. */
export async function sizeOfTables(cluster: string): Promise<number> {
  const entries = await readdir(join(cluster, "base"), { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
