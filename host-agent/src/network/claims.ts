import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { startTicks } from "../linux/process-identity.ts";
import type { SlotNetworks } from "./addresses.ts";

/** Holds what the host agents of this machine must agree on. A tmpfs: it is empty after a reboot, as the network is. */
export const RUN_DIRECTORY = "/run/warren";
/** One file for every slot in existence, named by its number. */
export const SLOTS_DIRECTORY = `${RUN_DIRECTORY}/slots`;
/** One file for every pool that is open. */
export const OWNERS_DIRECTORY = `${RUN_DIRECTORY}/owners`;

/** Who holds a slot; the content of a claim. */
export interface Owner {
  /** Canonical path of the data directory of the host agent. */
  dataDirectory: string;
  pid: number;
  /** Start time of the process in clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  startTicks: string;
  /** When the pool was opened, ISO 8601. */
  openedAt: string;
  networks: SlotNetworks;
}

/** A slot that somebody holds. */
export interface Claim {
  number: number;
  owner: Owner;
  /** Inode of the claim, which is that of the owner's file: tells one owner from another even after both are gone. */
  inode: number;
}

/**
 * The slots that host agents of this machine hold. A claim is a hard link to the file of its owner, so that it comes into
 * existence whole and for one claimant only (link(2)). It is made before anything of the slot and goes after everything.
 */
export class SlotClaims {
  readonly owner: Owner;
  readonly inode: number;
  /** File of the owner, which goes when the pool closes. */
  readonly #ownerFile: string;

  private constructor(owner: Owner, inode: number, ownerFile: string) {
    this.owner = owner;
    this.inode = inode;
    this.#ownerFile = ownerFile;
  }

  /** Opens the claims of this process for a data directory, which must exist. */
  static async open(dataDirectory: string, networks: SlotNetworks): Promise<SlotClaims> {
    for (const directory of [RUN_DIRECTORY, SLOTS_DIRECTORY, OWNERS_DIRECTORY]) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    }
    const owner: Owner = {
      dataDirectory: await realpath(dataDirectory),
      pid: process.pid,
      startTicks: (await startTicks(process.pid))!,
      openedAt: new Date().toISOString(),
      networks,
    };
    const file = `${OWNERS_DIRECTORY}/${owner.pid}-${randomBytes(4).toString("hex")}`;
    await writeFile(`${RUN_DIRECTORY}/.owner-${owner.pid}`, JSON.stringify(owner), { mode: 0o600 });
    await rename(`${RUN_DIRECTORY}/.owner-${owner.pid}`, file);
    return new SlotClaims(owner, (await stat(file)).ino, file);
  }

  /** Takes a slot; false when somebody holds it. */
  async take(number: number): Promise<boolean> {
    try {
      await link(this.#ownerFile, claimPath(number));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  }

  /** Gives up a slot of which nothing exists. */
  async drop(number: number): Promise<void> {
    await unlink(claimPath(number));
  }

  async get(number: number): Promise<Claim | undefined> {
    return read(number);
  }

  async list(): Promise<Claim[]> {
    const names = await readdir(SLOTS_DIRECTORY);
    const claims = await Promise.all(names.map((name) => read(Number(name))));
    return claims.filter((claim) => claim !== undefined);
  }

  /** Claims whose owner has ended and has left no data directory from which another host agent could go on. */
  async orphans(): Promise<Claim[]> {
    const claims = await this.list();
    const orphaned = await Promise.all(
      claims.map(async ({ owner }) => !(await lives(owner)) && !(await exists(owner.dataDirectory))),
    );
    return claims.filter((_, index) => orphaned[index]);
  }

  /** Ends the ownership of this process. Its claims that are left keep their content. */
  async close(): Promise<void> {
    await unlinkIfThere(this.#ownerFile);
  }

  /** Whether no pool of the machine is open and no slot is held. */
  async isLast(): Promise<boolean> {
    const names = await Promise.all([OWNERS_DIRECTORY, SLOTS_DIRECTORY].map((path) => orMissing(readdir(path))));
    return names.every((each) => (each ?? []).length === 0);
  }

  /** Removes the files of owners that have ended without closing. Their claims stay. */
  async forgetDeadOwners(): Promise<void> {
    for (const name of await readdir(OWNERS_DIRECTORY)) {
      const owner = await readOwner(`${OWNERS_DIRECTORY}/${name}`);
      if (owner && !(await lives(owner))) await unlinkIfThere(`${OWNERS_DIRECTORY}/${name}`);
    }
  }
}

function claimPath(number: number): string {
  return `${SLOTS_DIRECTORY}/${number}`;
}

async function read(number: number): Promise<Claim | undefined> {
  const owner = await readOwner(claimPath(number));
  if (!owner) return undefined;
  const inode = await orMissing(stat(claimPath(number)));
  return inode && { number, owner, inode: inode.ino };
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await orMissing(readFile(path, "utf8"));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Owner;
  } catch (error) {
    throw new WarrenError("internal_error", `${path} is damaged: remove it when no host agent is running`, {
      cause: error,
    });
  }
}

async function lives(owner: Owner): Promise<boolean> {
  return (await startTicks(owner.pid)) === owner.startTicks;
}

async function exists(path: string): Promise<boolean> {
  return (await orMissing(stat(path))) !== undefined;
}

async function unlinkIfThere(path: string): Promise<void> {
  await orMissing(unlink(path));
}

async function orMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
