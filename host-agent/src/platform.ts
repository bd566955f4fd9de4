import { ensureImages } from "./images/ensure.ts";
import { createSlotPool } from "./network/slot-pool.ts";
import { type ChooseVmm, examineVmms } from "./vmm/choose.ts";
import type { QemuHost } from "./vmm/qemu/host.ts";

/** What microVMs are made with on a machine. */
export interface Platform {
  /** Builds the files that they boot from, as far as they are missing. */
  ensureImages: typeof ensureImages;
  /** Finds out which VMMs there are. */
  examineVmms: () => Promise<ChooseVmm>;
  /** Opens the pool of their networks. */
  createSlots: typeof createSlotPool;
}

/** Programs, kernel and networks of this machine. `examined`: what is being found out of its QEMU already. */
export function thisPlatform(examined?: Promise<QemuHost>): Platform {
  return { ensureImages, examineVmms: () => examineVmms(examined), createSlots: createSlotPool };
}

export const PLATFORM = thisPlatform();
