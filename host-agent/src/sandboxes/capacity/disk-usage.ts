import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Directories of the data directory whose content grows with sandboxes, snapshots and templates. The images of memory are
 * a cache with a limit of its own.
 */
const STORES = ["disks", "memory", "snapshots", "sandboxes"];
/** Milliseconds for which a measurement is reused. */
const FRESH_MS = 2000;
/** Bytes of a block in `st_blocks` (stat(2)). */
const BLOCK = 512;

/** What the sandboxes, snapshots and templates of a data directory take on disk. */
export class DiskUsage {
  readonly #dataDirectory: string;
  #measurement: Promise<Map<number, number>> | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
  }

  /**
   * Allocated bytes; a file with several names counts once. At most two seconds old, but for the files in `growing`, which
   * are looked at in any case.
   */
  async bytes(growing: readonly string[] = []): Promise<number> {
    const blocksOf = await this.#recent();
    for (const path of growing) {
      const status = await lstat(path).catch(orUndefined);
      if (status) blocksOf.set(status.ino, status.blocks);
    }
    return [...blocksOf.values()].reduce((sum, blocks) => sum + blocks * BLOCK, 0);
  }

  /** Blocks of all files, by number of the inode. */
  #recent(): Promise<Map<number, number>> {
    const now = performance.now();
    if (this.#measurement === undefined || now - this.#measuredAt > FRESH_MS) {
      this.#measuredAt = now;
      this.#measurement = this.#measure();
      this.#measurement.catch(() => {
        this.#measurement = undefined;
      });
    }
    return this.#measurement;
  }

  async #measure(): Promise<Map<number, number>> {
    const blocksOf = new Map<number, number>();
    for (const store of STORES) {
      const entries = await readdir(join(this.#dataDirectory, store), { recursive: true, withFileTypes: true }).catch(
        orEmpty,
      );
      for (const entry of entries.filter((each) => each.isFile())) {
        // A file that is removed meanwhile takes nothing.
        const status = await lstat(join(entry.parentPath, entry.name)).catch(orUndefined);
        if (status) blocksOf.set(status.ino, status.blocks);
      }
    }
    return blocksOf;
  }
}

function orEmpty(error: NodeJS.ErrnoException): [] {
  if (error.code === "ENOENT") return [];
  throw error;
}

function orUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
