import { statfs } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { DiskUsage } from "./disk-usage.ts";

const GIB = 1024 ** 3;

/** What of a host's disk sandboxes may have. */
export interface DiskLimits {
  /** Bytes of the data directory's file system that stay free for the host, the database and what takes data out. */
  reserveBytes: number;
  /** Bytes on disk that sandboxes, snapshots and templates may take; undefined = as many as there are. */
  limitBytes?: number;
}

/** The disk of a host as its sandboxes share it: what is free beyond the reserve, less what has been promised. */
export class DiskSpace {
  readonly limits: DiskLimits;
  readonly #directory: string;
  readonly #usage: DiskUsage;
  #promised = 0;

  constructor(dataDirectory: string, limits: DiskLimits, usage: DiskUsage) {
    this.#directory = dataDirectory;
    this.limits = limits;
    this.#usage = usage;
  }

  /** Bytes that may still be taken; less than 0 once the reserve is used. `growing` are files that grow all the time. */
  async left(growing: readonly string[] = []): Promise<number> {
    const { limitBytes, reserveBytes } = this.limits;
    const free = await this.#free();
    const allowed = limitBytes === undefined ? free : limitBytes - (await this.#usage.bytes(growing));
    return Math.min(free - reserveBytes, allowed) - this.#promised;
  }

  /** Throws `host_full` when nothing is left for another sandbox. */
  async requireLeft(): Promise<void> {
    if ((await this.left()) > 0) return;
    throw new WarrenError("host_full", `${await this.describe()}; destroy a sandbox or add a host`);
  }

  /**
   * Promises bytes that are about to be written, until the returned function is called. Throws `host_disk_full` when they
   * are not there.
   */
  async promise(bytes: number): Promise<() => void> {
    return this.#promise(bytes, await this.left());
  }

  /** As `promise`, for what takes data out: three quarters of the reserve are for that. */
  async promiseAccess(bytes: number): Promise<() => void> {
    const free = (await this.#free()) - this.#promised;
    return this.#promise(bytes, free - this.limits.reserveBytes / 4);
  }

  async #promise(bytes: number, left: number): Promise<() => void> {
    if (left < bytes) {
      const needed = `${Math.ceil(bytes / 1024 ** 2)} MiB are needed`;
      throw new WarrenError(
        "host_disk_full",
        `${await this.describe()}, and ${needed}; destroy a sandbox or a template`,
      );
    }
    this.#promised += bytes;
    let promised = true;
    return () => {
      if (promised) this.#promised -= bytes;
      promised = false;
    };
  }

  /** Throws `host_disk_full` when not even half of the reserve is left, which is kept for what takes data out. */
  async requireAccess(): Promise<void> {
    if ((await this.#free()) >= this.limits.reserveBytes / 2) return;
    throw new WarrenError("host_disk_full", `${await this.describe()}; free some and try again`);
  }

  /** How much is left, for people. */
  async describe(): Promise<string> {
    const { limitBytes, reserveBytes } = this.limits;
    const free = await this.#free();
    const used = limitBytes === undefined ? 0 : await this.#usage.bytes();
    if (limitBytes !== undefined && limitBytes - used < free - reserveBytes) {
      return `sandboxes and templates take ${inGib(used)} of the ${inGib(limitBytes)} GiB of the host's disk they may`;
    }
    return `the host has ${inGib(free)} GiB of disk free, and keeps ${inGib(reserveBytes)} GiB in reserve`;
  }

  async #free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory);
    return bavail * bsize;
  }
}

function inGib(bytes: number): string {
  return (bytes / GIB).toFixed(2);
}
