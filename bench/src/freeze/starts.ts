import { type Sandbox, WarrenError } from "@warren/sdk";
import { answer, MEMORY_MB, startMs, startSandbox } from "../measure/first-output.ts";
import { milliseconds, seconds, times } from "../measure/format.ts";
import type { Figure } from "../measure/report.ts";
import type { BenchStack } from "../measure/stack.ts";
import { median, percentile } from "../measure/statistics.ts";
import { timed } from "../measure/timing.ts";
import { oneStandsReady } from "../measure/warm-pool.ts";

const ROUNDS = 8;
const FORKS = 8;

/** Servers that start sandboxes in different ways. */
export interface Stacks {
  booting: BenchStack;
  restoring: BenchStack;
  pooled: BenchStack;
}

/** Milliseconds from the request for a sandbox to its first command's output, by the way it starts. */
export interface StartSamples {
  boots: number[];
  restores: number[];
  warm: number[];
}

/** Starts sandboxes in all ways, taking turns, so that a load on the machine that comes and goes falls on all of them. */
export async function sampleStarts({ booting, restoring, pooled }: Stacks): Promise<StartSamples> {
  // The first use of a template in a data directory links and checks its files.
  await startMs(restoring);
  await startMs(pooled);
  const samples: StartSamples = { boots: [], restores: [], warm: [] };
  while (samples.boots.length < ROUNDS) {
    await oneStandsReady(pooled);
    samples.warm.push(await warmStartMs(pooled));
    await oneStandsReady(pooled);
    samples.boots.push(await startMs(booting));
    samples.restores.push(await startMs(restoring));
  }
  return samples;
}

export function startFigures({ boots, restores, warm }: StartSamples): Figure[] {
  const coldBootMs = median(boots);
  return [
    {
      name: `cold boot of ${MEMORY_MB} MiB → first command's output, ${boots.length} times`,
      value: `${seconds(coldBootMs)} p50, ${seconds(percentile(boots, 0.95))} p95`,
    },
    againstColdBoot("create by restore → first command's output", median(restores), coldBootMs, 0.15),
    againstColdBoot("create from the warm pool → first command's output", median(warm), coldBootMs, 0.03),
  ];
}

/** Copies of one sandbox, all of which answer, against as many boots one after the other. */
export async function forks(stack: BenchStack, boots: readonly number[]): Promise<Figure> {
  const { sandbox } = await startSandbox(stack);
  const { ms, result: copies } = await timed(async () => {
    const started = (await sandbox.fork(FORKS)).map(requireStarted);
    await Promise.all(started.map(answer));
    return started;
  });
  for (const each of [sandbox, ...copies]) await each.destroy();
  const inARow = (boots.reduce((sum, boot) => sum + boot, 0) / boots.length) * FORKS;
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

async function warmStartMs(stack: BenchStack): Promise<number> {
  const { ms, sandbox } = await startSandbox(stack);
  const { instance } = await stack.record(sandbox.id);
  if (instance === sandbox.id) throw new Error("a sandbox did not come from the warm pool");
  await sandbox.destroy();
  return ms;
}

function requireStarted(copy: Sandbox | WarrenError): Sandbox {
  if (copy instanceof WarrenError) throw copy;
  return copy;
}
