import { existsSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";

const DEFAULT_DATA_DIR = "/var/lib/warren";

/** `--data-dir`, with the variable and the default that all commands share. */
export function dataDirOption(): Option {
  return new Option("--data-dir <dir>", "directory of all state")
    .env("WARREN_DATA_DIR")
    .default(DEFAULT_DATA_DIR)
    .argParser(parseDataDir);
}

function parseDataDir(text: string): string {
  const path = resolve(text);
  if (!canBeDirectory(path)) throw new InvalidArgumentError(`${path} is no directory, or is below what is none.`);
  return path;
}

/** Whether a path leads to a directory, or to nothing where one can be made, as far as this user sees. */
function canBeDirectory(path: string): boolean {
  return look(path)?.isDirectory() ?? canBeDirectory(dirname(path));
}

/** Images that all data directories of this machine share: they are named by their content, and never changed. */
const SHARED_IMAGES_DIR = "/var/cache/warren/images";

/**
 * Directory of kernel and base images for a data directory: its own one where there is one, else the one of the machine,
 * so that only the first data directory waits for them to be built. Sandboxes are made of links to them, for which both
 * must be on one file system.
 */
export function imagesDirOf(dataDir: string): string {
  const own = join(dataDir, "images");
  const shared = !existsSync(own) && deviceOf(dataDir) === deviceOf(SHARED_IMAGES_DIR);
  return shared ? SHARED_IMAGES_DIR : own;
}

/** Device of the file system that a path is on, or will be when it is made. */
function deviceOf(path: string): number {
  return look(path)?.dev ?? deviceOf(dirname(path));
}

/** Undefined for what is not there, or hidden from this user. */
function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    throw error;
  }
}

/** What can be made again, below a data directory. */
export function cacheDirOf(dataDir: string): string {
  return join(dataDir, "cache");
}

/** The option that names a data directory in a command to be typed; nothing for the default one. */
export function dataDirFlag(dataDir: string): string {
  return dataDir === DEFAULT_DATA_DIR ? "" : ` --data-dir ${dataDir}`;
}
