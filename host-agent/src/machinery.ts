import { ensureImages } from "./images/ensure.ts";
import { createSlotPool } from "./network/slot-pool.ts";
import { examineVmms } from "./vmm/choose.ts";

/** What microVMs are made with on a machine. */
export interface Machinery {
  /** Builds the files that they boot from, as far as they are missing. */
  ensureImages: typeof ensureImages;
  /** Finds out which VMMs there are. */
  examineVmms: typeof examineVmms;
  /** Opens the pool of their networks. */
  createSlots: typeof createSlotPool;
}

/** Programs, kernel and networks of this machine. */
export const MACHINERY: Machinery = { ensureImages, examineVmms, createSlots: createSlotPool };
