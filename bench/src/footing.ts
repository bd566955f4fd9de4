import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { imagesDirOf } from "@warren/cli/arguments/data-dir";
import { Checkout } from "./measure/checkout.ts";
import { ControlPlane, withDirectory } from "./measure/control-plane.ts";
import { megabytes, milliseconds, seconds, times } from "./measure/format.ts";
import { load } from "./measure/load.ts";
import type { BenchOptions } from "./measure/options.ts";
import { processTree, proportionalMemory } from "./measure/processes.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { median } from "./measure/statistics.ts";
import { timed } from "./measure/timing.ts";

const ROUNDS = 7;
/** Until what a control plane does after its start is done; nothing tells when. */
const SETTLING_SECONDS = 5;
const LOAD = { connections: 16, seconds: 3 };
const GOALS = { memory: 150e6, run: 0.75 };

/** What a checkout was measured at, one value per round. */
interface Samples {
  memory: number[];
  startMs: number[];
  runMs: number[];
  requestsPerSecond: number[];
  requestMs: number[];
}

/**
 * What everything else stands on: the control plane with its embedded database, idle, starting and under load, and a command
 * that brings up its own servers. An older checkout is measured in turn with this one.
 */
export async function footing({ write, before }: BenchOptions): Promise<void> {
  const own = await Checkout.own();
  const checkouts = before === undefined ? [own] : [await Checkout.open(before), own];
  const samples = checkouts.map((): Samples => {
    return { memory: [], startMs: [], runMs: [], requestsPerSecond: [], requestMs: [] };
  });
  await inDirectories(checkouts, async (directories) => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [at, checkout] of checkouts.entries()) await measure(checkout, directories[at]!, samples[at]!);
    }
  });
  const [older, newer] = before === undefined ? [undefined, samples[0]!] : [samples[0]!, samples[1]!];
  await publishReport("footing", formatReport(figures(newer, older), "that of the machine"), write);
}

/** Gives each checkout a data directory that has its database, and has it run a command once. */
async function inDirectories(
  checkouts: readonly Checkout[],
  work: (directories: string[]) => Promise<void>,
  made: string[] = [],
): Promise<void> {
  const [checkout, ...others] = checkouts;
  if (!checkout) return work(made);
  await withDirectory(async (directory) => {
    await linkImages(directory);
    await (await ControlPlane.start(checkout, directory)).stop();
    await runTrue(checkout, directory);
    await inDirectories(others, work, [...made, directory]);
  });
}

/** Gives a data directory images of its own: of those that are shared, each version gives up the snapshots that others have made. */
async function linkImages(directory: string): Promise<void> {
  const images = join(directory, "images");
  const shared = imagesDirOf(directory);
  if (shared === images || !existsSync(shared)) return;
  execFileSync("cp", ["--archive", "--link", "--no-target-directory", "--", shared, images]);
  await rm(join(images, "frozen"), { recursive: true, force: true });
}

async function measure(checkout: Checkout, directory: string, samples: Samples): Promise<void> {
  const controlPlane = await ControlPlane.start(checkout, directory);
  samples.startMs.push(controlPlane.startMs);
  await delay(SETTLING_SECONDS * 1000);
  const memory = processTree(controlPlane.pid).map(proportionalMemory);
  samples.memory.push(memory.reduce((sum, bytes) => sum + bytes));
  const headers = { "x-api-key": controlPlane.apiKey };
  const requests = { url: controlPlane.url, paths: ["/v1/sandboxes"], headers };
  await load({ ...requests, ...LOAD });
  const result = await load({ ...requests, ...LOAD });
  samples.requestsPerSecond.push(result.requestsPerSecond);
  samples.requestMs.push(result.p50);
  await controlPlane.stop();
  samples.runMs.push(await runTrue(checkout, directory));
}

/** Milliseconds that `warren run -- true` takes with its own servers. */
async function runTrue({ launcher }: Checkout, directory: string): Promise<number> {
  const { WARREN_URL: _, WARREN_API_KEY: __, ...env } = process.env;
  const { ms, result } = await timed(async () => {
    const args = ["run", "--data-dir", directory, "--", "true"];
    return once(spawn(launcher, args, { stdio: ["ignore", "inherit", "inherit"], env }), "close");
  });
  if (result[0] !== 0) throw new Error(`warren run ended with status ${result[0]}`);
  return ms;
}

function figures(newer: Samples, older: Samples | undefined): Figure[] {
  const memory = median(newer.memory);
  const ofRuns = older && median(newer.runMs) / median(older.runMs);
  const rates = (samples: Samples) => `${median(samples.requestsPerSecond).toFixed(0)} requests/s`;
  const compared = (name: keyof Samples, show: (value: number) => string): Pick<Figure, "value" | "against"> => {
    const value = median(newer[name]);
    if (!older) return { value: show(value) };
    const before = median(older[name]);
    return { value: show(value), against: `${show(before)} before: ${times(value / before)}` };
  };
  return [
    {
      name: `control plane with its database, idle for ${SETTLING_SECONDS} s (PSS of all its processes)`,
      ...compared("memory", megabytes),
      goal: `≤ ${megabytes(GOALS.memory)}`,
      met: memory <= GOALS.memory,
    },
    { name: "its start to the first answer, the database made", ...compared("startMs", seconds) },
    {
      name: "`warren run -- true`, bringing up its own servers",
      ...compared("runMs", seconds),
      ...(ofRuns !== undefined && { goal: `≤ ${GOALS.run}x`, met: ofRuns <= GOALS.run }),
    },
    {
      name: `\`GET /v1/sandboxes\` with an API key, ${LOAD.connections} at once`,
      value: `${rates(newer)}, p50 ${milliseconds(median(newer.requestMs))}`,
      ...(older && {
        against: `${rates(older)} before: ${times(median(newer.requestsPerSecond) / median(older.requestsPerSecond))}`,
      }),
    },
  ];
}
