import { totalmem } from "node:os";
import { WarrenError } from "@warren/contracts/errors";

/** What the sandboxes of a host may take together, beside its disk. */
export interface CapacityLimits {
  /**
   * Guest memory that may be promised, as a multiple of the host's memory. Guests take memory only as they touch it, so
   * a factor above 1 is usual; a host whose guests use all they were promised needs 1.
   */
  memoryOvercommit: number;
  /** Sandboxes with a microVM at the same time. */
  sandboxes: number;
}

/** MiB of guest memory that may be promised on this host. */
export function promisableMb({ memoryOvercommit }: CapacityLimits): number {
  return Math.floor((totalmem() / 1024 ** 2) * memoryOvercommit);
}

/** Throws `host_full` when one more sandbox of `memoryMb` MiB does not fit beside the given ones. */
export function requireRoom(
  limits: CapacityLimits,
  taken: { count: number; memoryMb: number },
  memoryMb: number,
): void {
  if (taken.count >= limits.sandboxes) {
    throw full(`this host runs ${taken.count} sandboxes, as many as it may`);
  }
  const totalMb = promisableMb(limits);
  if (taken.memoryMb + memoryMb > totalMb) {
    throw full(`${taken.memoryMb} of ${totalMb} MiB of guest memory are promised, and ${memoryMb} more were asked for`);
  }
}

function full(reason: string): WarrenError {
  return new WarrenError("host_full", `${reason}; destroy a sandbox or add a host`);
}
