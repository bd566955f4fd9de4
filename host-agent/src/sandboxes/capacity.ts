import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { WarrenError } from "@warren/contracts/errors";
import type { DiskUsage } from "./disk-usage.ts";

/** Bytes of disk that must stay free on the data directory's file system for a sandbox to start. */
const DISK_RESERVE = 1024 ** 3;

/** What the sandboxes of a host may take together. */
export interface CapacityLimits {
  /**
   * Guest memory that may be promised, as a multiple of the host's memory. Guests take memory only as they touch it, so
   * a factor above 1 is usual; a host whose guests use all they were promised needs 1.
   */
  memoryOvercommit: number;
  /** Sandboxes with a microVM at the same time. */
  sandboxes: number;
  /** Bytes on disk that sandboxes, snapshots and templates may take; undefined = as many as there are. */
  diskBytes?: number;
}

/** Throws `host_full` when one more sandbox of `memoryMb` MiB does not fit beside the given ones. */
export async function requireRoom(
  dataDirectory: string,
  limits: CapacityLimits,
  usage: DiskUsage,
  taken: { count: number; memoryMb: number },
  memoryMb: number,
): Promise<void> {
  if (taken.count >= limits.sandboxes) {
    throw full(`this host runs ${taken.count} sandboxes, as many as it may`);
  }
  const totalMb = Math.floor((totalmem() / 1024 ** 2) * limits.memoryOvercommit);
  if (taken.memoryMb + memoryMb > totalMb) {
    throw full(`${taken.memoryMb} of ${totalMb} MiB of guest memory are promised, and ${memoryMb} more were asked for`);
  }
  await requireDisk(limits, usage);
  const { bavail, bsize } = await statfs(dataDirectory);
  if (bavail * bsize < DISK_RESERVE) {
    throw full(`less than ${DISK_RESERVE / 1024 ** 2} MiB of disk are free in ${dataDirectory}`);
  }
}

/** Throws `host_full` when sandboxes and templates take all the disk that they may. */
export async function requireDisk(limits: CapacityLimits, usage: DiskUsage): Promise<void> {
  if (limits.diskBytes === undefined) return;
  const used = await usage.bytes();
  if (used < limits.diskBytes) return;
  throw full(`sandboxes and templates take ${inGib(used)} of the ${inGib(limits.diskBytes)} GiB of disk they may`);
}

function full(reason: string): WarrenError {
  return new WarrenError("host_full", `${reason}; destroy a sandbox or add a host`);
}

function inGib(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(1);
}
