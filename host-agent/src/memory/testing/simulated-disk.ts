import { basename, dirname } from "node:path";
import type { FileSystem, StoredFile } from "../store/files.ts";
import type { Random } from "./random.ts";

/*
 * A disk that forgets what was not fsynced. After the power went, a file holds what it held at its last fsync, with any
 * subset of the sectors written since, in any order, and of changes to its length; a directory holds the names of its
 * last fsync, with any subset of the creations, renames and removals since. A rename is there whole or not at all, as
 * rename(2) promises. This allows more than journaling file systems do, which keep the order of names; it does not
 * model a disk that lies about fsync, and not decay, which checksums are for.
 */
const SECTOR = 512;

type NameChange =
  | { kind: "create"; name: string; file: Inode }
  | { kind: "remove"; name: string }
  | { kind: "rename"; from: string; to: string };

interface Inode {
  content: Buffer;
  durable: Buffer;
  unsynced: ({ position: number; data: Buffer } | { size: number })[];
}

interface Directory {
  names: Map<string, Inode>;
  durable: Map<string, Inode>;
  unsynced: NameChange[];
}

/** What every operation ends with once the disk has failed. */
export class DiskGone extends Error {}

export class SimulatedDisk implements FileSystem {
  readonly #directories = new Map<string, Directory>();
  readonly #random: Random;
  #operationsLeft = Number.POSITIVE_INFINITY;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Ends everything at one of the next operations: it happens or not, and all later ones fail. */
  failAfter(operations: number): void {
    this.#operationsLeft = operations;
  }

  get hasFailed(): boolean {
    return this.#operationsLeft < 0;
  }

  /** The disk as the next process finds it when only this one ended: nothing is lost, and nothing more is durable. */
  afterKill(): SimulatedDisk {
    const disk = new SimulatedDisk(this.#random);
    for (const [path, directory] of this.#directories) disk.#directories.set(path, directory);
    return disk;
  }

  /** The disk as it is when the power is back. */
  afterPowerLoss(): SimulatedDisk {
    const disk = new SimulatedDisk(this.#random);
    const survivors = new Map<Inode, Inode>();
    for (const [path, directory] of this.#directories) {
      const names = new Map<string, Inode>();
      const changes = directory.unsynced.filter(() => this.#random.chance(0.5));
      for (const [name, file] of applied(directory.durable, changes)) {
        const survivor = survivors.get(file) ?? this.#survivor(file);
        survivors.set(file, survivor);
        names.set(name, survivor);
      }
      disk.#directories.set(path, { names, durable: new Map(names), unsynced: [] });
    }
    return disk;
  }

  create(path: string): Promise<StoredFile> {
    return this.#operate(() => {
      const inode: Inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
      if (this.#directory(path).names.has(basename(path))) throw systemError("EEXIST", path);
      this.#change(path, { kind: "create", name: basename(path), file: inode });
      return this.#file(inode);
    });
  }

  open(path: string): Promise<StoredFile> {
    return this.#operate(() => this.#file(this.#inode(path)));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operate(() => {
      this.#inode(from);
      this.#change(from, { kind: "rename", from: basename(from), to: basename(to) });
    });
  }

  remove(path: string): Promise<void> {
    return this.#operate(() => {
      this.#inode(path);
      this.#change(path, { kind: "remove", name: basename(path) });
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#operate(() => [...this.#directory(`${directory}/any`).names.keys()]);
  }

  async makeDirectory(path: string): Promise<void> {
    if (!this.#directories.has(path)) {
      this.#directories.set(path, { names: new Map(), durable: new Map(), unsynced: [] });
    }
  }

  syncDirectory(path: string): Promise<void> {
    return this.#operate(() => {
      const directory = this.#directories.get(path);
      if (directory === undefined) return;
      directory.durable = new Map(directory.names);
      directory.unsynced = [];
    });
  }

  stat(path: string): Promise<{ size: number; allocatedBytes: number }> {
    return this.#operate(() => {
      const { length } = this.#inode(path).content;
      return { size: length, allocatedBytes: length };
    });
  }

  #file(inode: Inode): StoredFile {
    return {
      read: (target, position) =>
        this.#operate(() => {
          if (position + target.length > inode.content.length) throw new RangeError("the file ends too early");
          target.set(inode.content.subarray(position, position + target.length));
        }),
      write: (data, position) =>
        this.#operate(() => {
          const change = { position, data: Buffer.from(data) };
          inode.content = written(inode.content, change);
          inode.unsynced.push(change);
        }),
      truncate: (size) =>
        this.#operate(() => {
          inode.content = resized(inode.content, size);
          inode.unsynced.push({ size });
        }),
      sync: () =>
        this.#operate(() => {
          inode.durable = Buffer.from(inode.content);
          inode.unsynced = [];
        }),
      size: async () => inode.content.length,
      nextData: async (position) =>
        position < inode.content.length ? { start: position, end: inode.content.length } : undefined,
      close: async () => undefined,
    };
  }

  #survivor(file: Inode): Inode {
    let content = file.durable;
    for (const change of file.unsynced) {
      if ("size" in change) {
        if (this.#random.chance(0.5)) content = resized(content, change.size);
        continue;
      }
      for (let start = 0; start < change.data.length; start += SECTOR) {
        const data = change.data.subarray(start, start + SECTOR);
        if (this.#random.chance(0.5)) content = written(content, { position: change.position + start, data });
      }
    }
    return { content, durable: content, unsynced: [] };
  }

  #change(path: string, change: NameChange): void {
    const directory = this.#directory(path);
    directory.names = applied(directory.names, [change]);
    directory.unsynced.push(change);
  }

  /** Performs an operation after a random while, so that operations at the same time meet in every order. */
  async #operate<T>(effect: () => T): Promise<T> {
    for (let turns = this.#random.below(6); turns > 0; turns--) await Promise.resolve();
    if (this.#operationsLeft < 0) throw new DiskGone("the disk is gone");
    const happens = this.#operationsLeft > 0 || this.#random.chance(0.5);
    const result = happens ? effect() : undefined;
    if (this.#operationsLeft-- <= 0) throw new DiskGone("the disk is gone");
    return result as T;
  }

  #directory(path: string): Directory {
    const directory = this.#directories.get(dirname(path));
    if (directory === undefined) throw systemError("ENOENT", path);
    return directory;
  }

  #inode(path: string): Inode {
    const inode = this.#directory(path).names.get(basename(path));
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  }
}

/** Names after changes; those whose subject is not there have no effect. */
function applied(names: ReadonlyMap<string, Inode>, changes: NameChange[]): Map<string, Inode> {
  const result = new Map(names);
  for (const change of changes) {
    if (change.kind === "create") result.set(change.name, change.file);
    else if (change.kind === "remove") result.delete(change.name);
    else {
      const file = result.get(change.from);
      if (file === undefined) continue;
      result.delete(change.from);
      result.set(change.to, file);
    }
  }
  return result;
}

function written(content: Buffer, { position, data }: { position: number; data: Buffer }): Buffer {
  const result = resized(content, Math.max(content.length, position + data.length));
  data.copy(result, position);
  return result;
}

function resized(content: Buffer, size: number): Buffer {
  const result = Buffer.alloc(size);
  content.copy(result);
  return result;
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
