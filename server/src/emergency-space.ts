import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** Bytes that are kept: thousands of records of sandboxes. */
const KEPT_BYTES = 8 * 1024 ** 2;
const CHUNK = Buffer.alloc(1024 ** 2, 0x77);

/**
 * A file that takes space for nothing, to be given up when a full disk keeps a record from being written: sandboxes can be
 * destroyed, resumed and stopped then, whoever has filled the disk.
 */
export class EmergencySpace {
  readonly #path: string;

  constructor(dataDirectory: string) {
    this.#path = join(dataDirectory, "emergency-space");
  }

  /** Makes the file anew if it was given up; without effect where the disk is full. */
  async keep(): Promise<void> {
    const status = await stat(this.#path).catch(() => undefined);
    if (status && status.blocks * 512 >= KEPT_BYTES) return;
    const file = await open(this.#path, "w", 0o600);
    try {
      for (let written = 0; written < KEPT_BYTES; written += CHUNK.length)
        await file.write(CHUNK, 0, CHUNK.length, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      await file.close();
    }
  }

  /** Does `write`, a second time with the space that was kept when the disk is full. */
  async use<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      await rm(this.#path, { force: true });
      return write();
    }
  }
}
