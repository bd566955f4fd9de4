import { constants, type FileHandle, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { nextData } from "../../linux/file-ranges.ts";

/** Ending of the names of files that are not finished. */
export const TEMPORARY = ".tmp";

/**
 * The file operations on which the durability of the store rests, as an interface, so that tests can take the power
 * away between any two of them.
 */
export interface FileSystem {
  /** Makes a file that must not exist. `direct` writes past the page cache where the file system can. */
  create(path: string, options: { direct: boolean }): Promise<StoredFile>;
  /** Opens a file to read it. */
  open(path: string): Promise<StoredFile>;
  /** Gives a file another name in the same directory, replacing a file that has it. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  /** Makes the names in a directory survive a loss of power. */
  syncDirectory(path: string): Promise<void>;
  stat(path: string): Promise<{ size: number; allocatedBytes: number }>;
}

/** An open file. */
export interface StoredFile {
  /** Fills `target` from `position` on; fails when the file ends before. */
  read(target: Uint8Array, position: number): Promise<void>;
  /** Writes all of `data`. */
  write(data: Uint8Array, position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Makes the content survive a loss of power. */
  sync(): Promise<void>;
  size(): Promise<number>;
  /** The next part that is no hole, from `position` on. */
  nextData(position: number): Promise<{ start: number; end: number } | undefined>;
  close(): Promise<void>;
}

/** The files of this host. */
export const hostFiles: FileSystem = {
  async create(path, { direct }) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    if (!direct) return new HostFile(await open(path, flags, 0o600));
    try {
      return new HostFile(await open(path, flags | constants.O_DIRECT, 0o600));
    } catch (error) {
      // A file system without direct I/O refuses it after the file was made.
      if (errorCode(error) !== "EINVAL") throw error;
      return new HostFile(await open(path, constants.O_RDWR | constants.O_CREAT, 0o600));
    }
  },
  open: async (path) => new HostFile(await open(path, constants.O_RDONLY)),
  rename,
  remove: unlink,
  list: (directory) => readdir(directory),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async syncDirectory(path) {
    const directory = await open(path, constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  async stat(path) {
    const { size, blocks } = await stat(path);
    return { size, allocatedBytes: blocks * 512 };
  },
};

class HostFile implements StoredFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) throw new RangeError(`the file ends ${target.length - done} bytes too early`);
      done += bytesRead;
    }
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#handle.write(data, done, data.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size);
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async nextData(position: number): Promise<{ start: number; end: number } | undefined> {
    return nextData(this.#handle.fd, position);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Code of an error of the operating system, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Turns "no space left" into the error that says what it means here; any other error stays as it is. */
export function explainFullDisk(error: unknown, what: string): unknown {
  const code = errorCode(error);
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new WarrenError(
    "host_disk_full",
    `the host's disk is full: ${what}; delete snapshots or paused sandboxes, or enlarge the disk`,
    { cause: error },
  );
}

/** Whether a file is there. */
export async function exists(files: FileSystem, path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Removes a file, if it is there. */
export async function removeIfThere(files: FileSystem, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
