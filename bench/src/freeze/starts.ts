import { setTimeout as delay } from "node:timers/promises";
import { type Sandbox, WarrenError } from "@warren/sdk";
import { answer, startSandbox } from "../measure/first-output.ts";
import { milliseconds, seconds, times } from "../measure/format.ts";
import { processorSeconds } from "../measure/processes.ts";
import type { Figure } from "../measure/report.ts";
import { BenchStack } from "../measure/stack.ts";
import { median } from "../measure/statistics.ts";
import { timed } from "../measure/timing.ts";

const STARTS = 10;
const FORKS = 8;
/** Milliseconds between two looks at a sandbox that is being made ready. */
const LOOK_MS = 500;

/** Creation of sandboxes by thawing, one at a time, of which none stands ready. */
export async function thaws(stack: BenchStack, coldBootMs: number): Promise<Figure> {
  // The first use of a template in a data directory links its files.
  await (await startSandbox(stack.warren)).sandbox.destroy();
  const samples: number[] = [];
  while (samples.length < STARTS) {
    const { ms, sandbox } = await startSandbox(stack.warren);
    samples.push(ms);
    await sandbox.destroy();
  }
  return againstColdBoot("create by thaw → first command's output", median(samples), coldBootMs, 0.15);
}

/** Creation of sandboxes of which one stands ready. */
export async function warmStarts(coldBootMs: number): Promise<Figure> {
  const stack = await BenchStack.start({ WARREN_WARM_POOL: "1" });
  try {
    await (await startSandbox(stack.warren)).sandbox.destroy();
    const samples: number[] = [];
    while (samples.length < STARTS) {
      await oneStandsReady(stack);
      const { ms, sandbox } = await startSandbox(stack.warren);
      const { instance } = await stack.record(sandbox.id);
      if (instance === sandbox.id) throw new Error("a sandbox did not come from the warm pool");
      samples.push(ms);
      await sandbox.destroy();
    }
    return againstColdBoot("create from the warm pool → first command's output", median(samples), coldBootMs, 0.03);
  } finally {
    await stack.stop();
  }
}

/** Copies of one sandbox, all of which answer, against as many boots one after the other. */
export async function forks(stack: BenchStack, coldBootSamples: readonly number[]): Promise<Figure> {
  const { sandbox } = await startSandbox(stack.warren);
  const { ms, result: copies } = await timed(async () => {
    const started = (await sandbox.fork(FORKS)).map(requireStarted);
    await Promise.all(started.map(answer));
    return started;
  });
  await Promise.all([sandbox, ...copies].map((each) => each.destroy()));
  const boots = coldBootSamples.slice(0, FORKS);
  if (boots.length < FORKS) throw new Error(`${FORKS} boots are needed to compare`);
  const inARow = boots.reduce((sum, boot) => sum + boot, 0);
  const ratio = ms / inARow;
  return {
    name: `fork of ${FORKS}: all answer a command`,
    value: seconds(ms),
    against: `${seconds(inARow)} for ${FORKS} cold boots in a row: ${times(ratio)}`,
    goal: "≤ 0.15x",
    met: ratio <= 0.15,
  };
}

/** A figure that is a share of a cold boot. */
export function againstColdBoot(name: string, ms: number, coldBootMs: number, goal: number): Figure {
  const ratio = ms / coldBootMs;
  return {
    name,
    value: milliseconds(ms),
    against: `cold boot: ${times(ratio)}`,
    goal: `≤ ${goal}x`,
    met: ratio <= goal,
  };
}

/**
 * Resolves when a sandbox of the warm pool stands ready. Nothing outside the host agent tells; but one that is being made
 * ready uses processor time, and one that stands ready none.
 */
async function oneStandsReady(stack: BenchStack): Promise<void> {
  const used = async () => {
    const [spare] = (await stack.records()).filter(({ purpose, process }) => purpose === "pool" && process);
    return spare?.process && { pid: spare.process.pid, seconds: processorSeconds(spare.process.pid) };
  };
  for (let before = await used(); ; ) {
    await delay(LOOK_MS);
    const now = await used();
    if (now && before?.pid === now.pid && before.seconds === now.seconds) return;
    before = now;
  }
}

function requireStarted(copy: Sandbox | WarrenError): Sandbox {
  if (copy instanceof WarrenError) throw copy;
  return copy;
}
