import { join, resolve } from "node:path";
import { Option } from "commander";

const DEFAULT_DATA_DIR = "/var/lib/warren";

/** `--data-dir`, with the variable and the default that all commands share. */
export function dataDirOption(): Option {
  return new Option("--data-dir <dir>", "directory of all state")
    .env("WARREN_DATA_DIR")
    .default(DEFAULT_DATA_DIR)
    .argParser((text) => resolve(text));
}

/** Kernel and base images below a data directory. */
export function imagesDirOf(dataDir: string): string {
  return join(dataDir, "images");
}

/** What can be made again, below a data directory. */
export function cacheDirOf(dataDir: string): string {
  return join(dataDir, "cache");
}

/** The option that names a data directory in a command to be typed; nothing for the default one. */
export function dataDirFlag(dataDir: string): string {
  return dataDir === DEFAULT_DATA_DIR ? "" : ` --data-dir ${dataDir}`;
}
