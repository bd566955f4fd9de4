import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream";
import { pipeline as whole } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { syncDirectory } from "@warren/server/durable-file";
import { nameFile, openUnnamed } from "@warren/server/unnamed-file";

/** How a file is to be written. */
export interface SaveOptions {
  /** Replace what is there. */
  force: boolean;
  signal: AbortSignal;
}

/**
 * Writes the archive of a backup to a file for this user alone, compressed, and returns its size. The file has its name once
 * it is complete and on the disk. What is there stays, unless it is a file and `force` is given.
 */
export async function saveBackup(path: string, archive: AsyncIterable<Buffer>, options: SaveOptions): Promise<number> {
  await requirePlace(path, options.force);
  const { file, temporary } = await asProblemOf(path, () => openTemporary(path));
  try {
    let size = 0;
    const write = async (compressed: AsyncIterable<Buffer>) => {
      for await (const piece of compressed) {
        await file.writeFile(piece);
        size += piece.length;
      }
    };
    await asProblemOf(path, () => whole(archive, createGzip(), write, { signal: options.signal }));
    await asProblemOf(path, () => file.sync());
    await requirePlace(path, options.force);
    if (temporary.named) await rename(temporary.path, path);
    else await giveName(file, path, temporary.path, options.force);
    await syncDirectory(dirname(path));
    return size;
  } catch (error) {
    await rm(temporary.path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** A file beside another. Where the file system can, it has no name yet, so that nothing is left by a process that is killed. */
async function openTemporary(path: string): Promise<{ file: FileHandle; temporary: { path: string; named: boolean } }> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const unnamed = await openUnnamed(dirname(path), 0o600);
  const file = unnamed ?? (await open(temporary, "wx", 0o600));
  return { file, temporary: { path: temporary, named: unnamed === undefined } };
}

/** A file that has come there meanwhile stays, unless it may be replaced. */
async function giveName(file: FileHandle, path: string, temporary: string, force: boolean): Promise<void> {
  try {
    nameFile(file, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (!force) throw taken(path);
    nameFile(file, temporary);
    await rename(temporary, path);
  }
}

/** Writes the archive of a backup to standard output, compressed, and returns its size. */
export async function printBackup(
  archive: AsyncIterable<Buffer>,
  { signal }: Pick<SaveOptions, "signal">,
): Promise<number> {
  const gzip = createGzip();
  let size = 0;
  gzip.on("data", (piece: Buffer) => {
    size += piece.length;
  });
  await asProblemOf("standard output", () => whole(archive, gzip, process.stdout, { signal, end: false }));
  return size;
}

/** Throws unless a file can be written there. */
export async function requirePlace(path: string, force: boolean): Promise<void> {
  const found = await asProblemOf(path, () => lstat(path).catch(absent));
  if (found === undefined) return;
  if (!found.isFile()) throw new WarrenError("invalid_request", `${path} is not a file; name one`);
  if (!force) throw taken(path);
}

function taken(path: string): WarrenError {
  return new WarrenError("already_exists", `${path} is there already; name another file, or replace it with --force`);
}

/** Bytes that are read at once. */
const READ_BYTES = 64 * 1024;

/** An open file with a backup, which can be read several times. */
export class BackupFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<BackupFile> {
    // The opening of a pipe would be waited for.
    const file = await asProblemOf(path, () => open(path, constants.O_RDONLY | constants.O_NONBLOCK));
    if ((await file.stat()).isFile()) return new BackupFile(file);
    await file.close();
    throw new WarrenError("invalid_request", `${path} is not a file; name one that 'warren admin backup' has written`);
  }

  /** The bytes of its archive, from the beginning. */
  archive(): AsyncIterable<Buffer> {
    // Errors are those of what is iterated.
    return pipeline(this.#bytes(), createGunzip(), () => undefined);
  }

  async *#bytes(): AsyncGenerator<Buffer> {
    for (let position = 0; ; ) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await this.#file.read(buffer, 0, READ_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** What the system says of a file that a user has named. */
async function asProblemOf<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""];
    if (reason === undefined) throw error;
    throw new WarrenError("invalid_request", `${path} ${reason}`, { cause: error });
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "does not exist, or its directory does not",
  ENOTDIR: "is below something that is not a directory",
  EISDIR: "is a directory; name a file",
  EACCES: "may not be used by this user",
  EPERM: "may not be used by this user",
  EROFS: "is on a file system that is read-only",
  ENOSPC: "is on a disk that is full",
  EDQUOT: "is beyond this user's quota of the disk",
  EFBIG: "would be larger than a file can be there",
  EPIPE: "is read by nobody any more: what has come out is no whole backup",
  ENAMETOOLONG: "has too long a name",
};

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
