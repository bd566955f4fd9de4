import { pino } from "pino";
import type { Slot, SlotPool } from "../network.ts";
import { createSlotPool, type SlotPoolOptions } from "../pool.ts";
import { answerCalls } from "./remote.ts";

let pool: SlotPool | undefined;

answerCalls({
  async open(options: Omit<SlotPoolOptions, "logger">) {
    pool = await createSlotPool({ ...options, logger: pino({ level: "silent" }) });
  },
  acquire: () => pool!.acquire(),
  adopt: (number: number) => pool!.adopt(number),
  release: (slot: Slot) => pool!.release(slot),
  sweep: (used: number[]) => pool!.sweep(new Set(used)),
  close: () => pool!.close(),
});
