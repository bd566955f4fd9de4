import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of a block of `st_blocks` (stat(2)). */
const BLOCK = 512n;
/** Entries of one directory that are looked at together. */
const TOGETHER = 64;

/**
 * Bytes of disk that a directory takes with all below it on its file system: blocks, so that holes cost nothing, each file once,
 * whatever number of names it has. What is in `without`, absolute paths, is left out; what goes meanwhile counts nothing.
 */
export async function diskUsage(directory: string, without: readonly string[] = []): Promise<number> {
  const counted = new Set<bigint>();
  const top = await look(directory);
  if (top === undefined) return 0;
  const add = async (path: string, found: BigIntStats): Promise<bigint> => {
    if (found.dev !== top.dev || counted.has(found.ino) || without.includes(path)) return 0n;
    counted.add(found.ino);
    let bytes = found.blocks * BLOCK;
    if (!found.isDirectory()) return bytes;
    const names = await readdir(path).catch(goneAs<string[]>([]));
    for (let start = 0; start < names.length; start += TOGETHER) {
      const paths = names.slice(start, start + TOGETHER).map((name) => join(path, name));
      const entries = await Promise.all(paths.map(async (entry) => ({ entry, stats: await look(entry) })));
      for (const { entry, stats } of entries) if (stats) bytes += await add(entry, stats);
    }
    return bytes;
  };
  return Number(await add(directory, top));
}

function look(path: string): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch(goneAs(undefined));
}

function goneAs<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return value;
    throw error;
  };
}
