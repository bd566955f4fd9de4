import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "@warren/server/durable-file";
import { copyFileRange, nextData } from "../linux/file-ranges.ts";

/** End of the names of files that are being copied. */
export const UNFINISHED = ".tmp";

/**
 * Puts a copy of a file at `target`, in place of what is there. Holes stay holes, and blocks are shared where the file
 * system can. The target is there whole or not at all; when this resolves, it survives a loss of power.
 */
export async function copyDurably(source: string, target: string, mode: number): Promise<void> {
  const temporary = target + UNFINISHED;
  const from = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await rm(temporary, { force: true });
    const to = await open(temporary, "wx", mode);
    try {
      const { size } = await from.stat();
      await to.truncate(size);
      for (let data = nextData(from.fd, 0); data && data.start < size; data = nextData(from.fd, data.end)) {
        const length = Math.min(data.end, size) - data.start;
        await copyFileRange(from.fd, data.start, to.fd, data.start, length);
      }
      await to.sync();
    } finally {
      await to.close();
    }
    await rename(temporary, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await from.close();
  }
}
