import { spawn } from "node:child_process";
import { once } from "node:events";
import { seconds } from "./measure/format.ts";
import type { BenchOptions } from "./measure/options.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { BenchStack, LAUNCHER } from "./measure/stack.ts";
import { median, percentile } from "./measure/statistics.ts";
import { timed } from "./measure/timing.ts";
import { oneStandsReady } from "./measure/warm-pool.ts";

const RUNS = 7;
const ON_SERVER_GOAL_MS = 1000;
const OWN_STACK_GOAL_MS = 2500;

/** How long `warren run -- true` takes on a machine that has run it before, with a server and without. */
export async function run({ write }: BenchOptions): Promise<void> {
  const { figure, accelerator } = await BenchStack.use({}, onServer);
  await publishReport("run", formatReport([figure, await onItsOwn()], accelerator), write);
}

async function onServer(stack: BenchStack): Promise<{ figure: Figure; accelerator: string }> {
  const server = { WARREN_URL: stack.url, WARREN_API_KEY: stack.apiKey };
  await runTrue(server);
  const samples: number[] = [];
  while (samples.length < RUNS) {
    await oneStandsReady(stack);
    samples.push(await runTrue(server));
  }
  const figure = figureOf("warren run -- true, with a server up", samples, ON_SERVER_GOAL_MS);
  return { figure, accelerator: await stack.accelerator() };
}

async function onItsOwn(): Promise<Figure> {
  await runTrue({});
  const samples: number[] = [];
  while (samples.length < RUNS) samples.push(await runTrue({}));
  return figureOf("warren run -- true, bringing up its own servers", samples, OWN_STACK_GOAL_MS);
}

/** Milliseconds from the start of the command to its end. */
async function runTrue(server: NodeJS.ProcessEnv): Promise<number> {
  const { WARREN_URL: _, WARREN_API_KEY: __, ...environment } = process.env;
  const { ms, result } = await timed(async () => {
    const child = spawn(LAUNCHER, ["run", "--", "true"], {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...environment, ...server },
    });
    return once(child, "close");
  });
  if (result[0] !== 0) throw new Error(`warren run ended with status ${result[0]}`);
  return ms;
}

function figureOf(name: string, samples: readonly number[], goalMs: number): Figure {
  const value = `${seconds(median(samples))} p50, ${seconds(percentile(samples, 0.95))} p95`;
  return { name, value, goal: `≤ ${seconds(goalMs)}`, met: median(samples) <= goalMs };
}
