import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** An exclusive flock(2) that lasts until every process holding its descriptor has closed it. */
export interface DirectoryLock {
  /** Descriptor to hand down to processes that keep the lock. */
  readonly fd: number;
  release(): void;
}

/**
 * Takes the lock of a directory, the file `lock` in it; undefined when another process has it and `wait` is not asked
 * for. flock(1) locks the open file that it shares with this process, so the lock stays when it exits.
 */
export function lockDirectory(directory: string, options: { wait?: boolean } = {}): DirectoryLock | undefined {
  const fd = openSync(`${directory}/lock`, "a", 0o600);
  const flock = spawnSync("flock", options.wait ? ["3"] : ["--nonblock", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    encoding: "utf8",
  });
  if (flock.status === 0) return { fd, release: () => closeSync(fd) };
  closeSync(fd);
  if (flock.error) throw new Error(`cannot run flock, which the package util-linux has: ${flock.error.message}`);
  if (flock.status === 1 && !options.wait) return undefined;
  throw new Error(`cannot lock ${directory}/lock: ${flock.stderr.trim()}`);
}
