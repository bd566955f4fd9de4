import type { WarrenError } from "@warren/contracts/errors";
import { pino } from "pino";
import type { Slot, SlotPool } from "../network.ts";
import { createSlotPool, type SlotPoolOptions } from "../slot-pool.ts";
import { answerCalls } from "./remote.ts";

let slots: SlotPool | undefined;

answerCalls({
  async open(options: Omit<SlotPoolOptions, "logger">) {
    slots = await createSlotPool({ ...options, logger: pino({ level: "silent" }) });
  },
  acquire: () => slots!.acquire(),
  /** Opens the pool and asks for slots, with nothing between the end of one call and the start of the next. */
  async takeTurns(options: Omit<SlotPoolOptions, "logger">, turns: number) {
    slots = await createSlotPool({ ...options, logger: pino({ level: "silent" }) });
    const outcomes: (number | string)[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const slot = await slots.acquire();
      const again = () => slots!.acquire().then(({ number }) => number);
      outcomes.push(await again().catch(() => again().catch(({ code }: WarrenError) => code)));
      await slots.release(slot);
    }
    return outcomes;
  },
  adopt: (number: number) => slots!.adopt(number),
  release: (slot: Slot) => slots!.release(slot),
  sweep: (used: number[]) => slots!.sweep(new Set(used)),
  close: () => slots!.close(),
});
