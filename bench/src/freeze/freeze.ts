import type { BenchOptions } from "../measure/options.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";
import { BenchStack } from "../measure/stack.ts";
import { median } from "../measure/statistics.ts";
import { idleCosts } from "./idle.ts";
import { manyPaused } from "./many-paused.ts";
import { bigPauses, idleCycles } from "./pauses.ts";
import { forks, type Stacks, sampleStarts, startFigures } from "./starts.ts";

/** Figures of snapshots and restores, starts as shares of cold boots of the same run. */
export async function freeze({ write }: BenchOptions): Promise<void> {
  const { figures, accelerator } = await BenchStack.use({ WARREN_COLD_BOOT: "1", WARREN_WARM_POOL: "0" }, (booting) =>
    BenchStack.use({ WARREN_WARM_POOL: "1" }, (pooled) =>
      BenchStack.use({ WARREN_WARM_POOL: "0" }, (restoring) => measure({ booting, pooled, restoring })),
    ),
  );
  figures.push(await manyPaused());
  await publishReport("freeze", formatReport(figures, accelerator), write);
}

async function measure(stacks: Stacks): Promise<{ figures: Figure[]; accelerator: string }> {
  const samples = await sampleStarts(stacks);
  const { restoring } = stacks;
  const figures = [
    ...startFigures(samples),
    ...(await idleCycles(restoring, median(samples.boots))),
    ...(await bigPauses(restoring)),
    await forks(restoring, samples.boots),
    ...(await idleCosts(restoring)),
  ];
  return { figures, accelerator: await restoring.accelerator() };
}
