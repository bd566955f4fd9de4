import { setTimeout as delay } from "node:timers/promises";
import { processorSeconds } from "./processes.ts";
import type { BenchStack } from "./stack.ts";

/** Milliseconds between two looks at a sandbox that is being made ready. */
const LOOK_MS = 500;

/**
 * Resolves when a sandbox of the warm pool stands ready. Nothing outside the host agent tells; but one that is being made
 * ready uses processor time, and one that stands ready none.
 */
export async function oneStandsReady(stack: BenchStack): Promise<void> {
  let before = await usedBySpare(stack);
  for (;;) {
    await delay(LOOK_MS);
    const now = await usedBySpare(stack);
    if (now && now === before) return;
    before = now;
  }
}

/** Process and processor time of the sandbox in the pool, as one text; undefined when there is none. */
async function usedBySpare(stack: BenchStack): Promise<string | undefined> {
  const spare = (await stack.records()).find(({ purpose, process }) => purpose === "pool" && process);
  return spare?.process && `${spare.process.pid} ${processorSeconds(spare.process.pid)}`;
}
