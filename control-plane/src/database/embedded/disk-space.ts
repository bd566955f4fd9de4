import { closeSync, existsSync, openSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import koffi from "koffi";
import type { Logger } from "../../logging.ts";

const MIB = 1024 * 1024;
/** Bytes that must be free for a statement that writes: PostgreSQL's log grows by files, and its server ends when it cannot. */
const NEEDED_BYTES = 32 * MIB;
/** Bytes that are kept in a file and given up when the disk is full, so that sandboxes can be destroyed then. */
const KEPT_BYTES = 48 * MIB;

const fallocate = koffi.load(null).func("int fallocate(int fd, int mode, int64 offset, int64 length)");

/** The disk under the embedded database, which must never find it full. */
export class DiskSpace {
  readonly #directory: string;
  readonly #keptPath: string;
  readonly #log: Logger;
  #kept: boolean;

  /** `directory` is that of the database. */
  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#keptPath = join(directory, "emergency-space");
    this.#log = log;
    this.#kept = existsSync(this.#keptPath);
  }

  /** Throws `host_disk_full` unless a statement may write. */
  requireSpace(): void {
    const { free } = this.#look();
    if (!this.#kept && free > NEEDED_BYTES + 2 * KEPT_BYTES) this.#keep();
    if (free >= NEEDED_BYTES) return;
    if (this.#kept) {
      this.#log.warn("the disk is full; what was kept for the database is given up");
      rmSync(this.#keptPath, { force: true });
      this.#kept = false;
    }
    // Where root has used what is kept for root, what was given up goes there. Sandboxes can be destroyed all the same: the
    // database has files of its log in store.
    if (this.#look().freeForRoot >= NEEDED_BYTES) return;
    throw new WarrenError(
      "host_disk_full",
      `the server's disk is full: its database needs ${NEEDED_BYTES / MIB} MiB free in ${this.#directory}; free some and try again`,
    );
  }

  /** Bytes for the database, which never runs as root, and those with what some file systems keep for root, if this is root. */
  #look(): { free: number; freeForRoot: number } {
    const { bavail, bfree, bsize } = statfsSync(this.#directory);
    const free = bavail * bsize;
    return { free, freeForRoot: process.getuid?.() === 0 ? bfree * bsize : free };
  }

  /** Where the file system cannot allocate ahead, nothing is kept. */
  #keep(): void {
    const fd = openSync(this.#keptPath, "w", 0o600);
    this.#kept = fallocate(fd, 0, 0, KEPT_BYTES) === 0;
    closeSync(fd);
    if (!this.#kept) rmSync(this.#keptPath, { force: true });
  }
}
