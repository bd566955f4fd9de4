import type { SandboxAssembly, SandboxParts } from "./assembly.ts";
import { promisableMb } from "./capacity/capacity.ts";
import type { SandboxStatus } from "./record/lifecycle.ts";

/** What the sandboxes of a host take, and what became of what was asked of it. */
export interface HostUsage {
  /** The status of each sandbox of a caller. */
  sandboxes: SandboxStatus[];
  /** Sandboxes that stand ready for whoever asks. */
  ready: number;
  /** Sandboxes with a microVM, those that stand ready among them. */
  microvms: { taken: number; limit: number };
  /** Guest memory that is promised, and that may be, MiB. */
  memoryMb: { taken: number; limit: number };
  /** Bytes of disk that sandboxes may still take; less than 0 once the reserve is used. */
  diskLeftBytes: number;
  slots: { used: number; ready: number };
  /** Of sandboxes that were asked for, how many stood ready and how many did not. */
  warmPool: { hits: number; misses: number };
  /** Calls into guests, by whether the guest answered. */
  guestCalls: { answered: number; unanswered: number };
}

/** What they take at this moment; counts are those since the host agent began. */
export async function readUsage(
  { limits, space, slots }: SandboxParts,
  { registry, warmPool, guestCalls }: SandboxAssembly,
): Promise<HostUsage> {
  const { count, memoryMb } = registry.taken();
  return {
    sandboxes: [...registry.list(), ...registry.stopped()].map(({ status }) => status),
    ready: warmPool.size,
    microvms: { taken: count, limit: limits.sandboxes },
    memoryMb: { taken: memoryMb, limit: promisableMb(limits) },
    diskLeftBytes: await space.left(),
    slots: slots.count(),
    warmPool: { ...warmPool.uses },
    guestCalls: { ...guestCalls },
  };
}
