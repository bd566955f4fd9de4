import { lstat, lutimes, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Gives everything below a directory that was written since `started` (milliseconds since 1970) the time of the newest file
 * from before, in seconds since 1970, and returns it: what came out of packages keeps its time, since compiled Python modules
 * name those of their sources.
 */
export async function settleTimes(root: string, started: number): Promise<number> {
  const times = await Promise.all(
    (await pathsBelow(root)).map(async (path) => ({ path, time: Math.floor((await lstat(path)).mtimeMs) })),
  );
  const packaged = times.filter(({ time }) => time < started).map(({ time }) => time);
  const epoch = Math.floor(packaged.reduce((newest, time) => Math.max(newest, time), 0) / 1000);
  for (const { path, time } of times) {
    if (time >= started) await lutimes(path, epoch, epoch);
  }
  return epoch;
}

/**
 * A directory and all that is in it. Links lead nowhere: those of a root file system are meant for whoever runs in it, and lead
 * to this machine's own files from outside. The recursive readdir() of Node follows them.
 */
async function pathsBelow(directory: string): Promise<string[]> {
  const paths = [directory];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) paths.push(...(await pathsBelow(path)));
    else paths.push(path);
  }
  return paths;
}
