import { join, resolve } from "node:path";
import { Option } from "commander";

/** `--data-dir`, with the variable and the default that all commands share. */
export function dataDirOption(): Option {
  return new Option("--data-dir <dir>", "directory of all state")
    .env("WARREN_DATA_DIR")
    .default("/var/lib/warren")
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
