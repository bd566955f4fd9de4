import type { WarrenError } from "@warren/contracts/errors";
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
  /** Opens the pool and asks for slots, with nothing between the end of one call and the start of the next. */
  async takeTurns(options: Omit<SlotPoolOptions, "logger">, turns: number) {
    pool = await createSlotPool({ ...options, logger: pino({ level: "silent" }) });
    const outcomes: (number | string)[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const slot = await pool.acquire();
      const again = () => pool!.acquire().then(({ number }) => number);
      outcomes.push(await again().catch(() => again().catch(({ code }: WarrenError) => code)));
      await pool.release(slot);
    }
    return outcomes;
  },
  adopt: (number: number) => pool!.adopt(number),
  release: (slot: Slot) => pool!.release(slot),
  sweep: (used: number[]) => pool!.sweep(new Set(used)),
  close: () => pool!.close(),
});
