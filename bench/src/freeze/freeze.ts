import type { BenchOptions } from "../measure/options.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";
import { BenchStack } from "../measure/stack.ts";
import { median } from "../measure/statistics.ts";
import { idleCosts } from "./idle.ts";
import { manyPaused } from "./many-paused.ts";
import { bigPauses, idleCycles } from "./pauses.ts";
import { forks, type Stacks, sampleStarts, startFigures } from "./starts.ts";

/** Figures of freezing and thawing, starts as shares of cold boots of the same run. */
export async function freeze({ write }: BenchOptions): Promise<void> {
  const { figures, accelerator } = await BenchStack.use({ WARREN_COLD_BOOT: "1", WARREN_WARM_POOL: "0" }, (booting) =>
    BenchStack.use({ WARREN_WARM_POOL: "1" }, (pooled) =>
      BenchStack.use({ WARREN_WARM_POOL: "0" }, (thawing) => measure({ booting, pooled, thawing })),
    ),
  );
  figures.push(await manyPaused());
  await publishReport("freeze", formatReport(figures, accelerator), write);
}

async function measure(stacks: Stacks): Promise<{ figures: Figure[]; accelerator: string }> {
  const samples = await sampleStarts(stacks);
  const { thawing } = stacks;
  const figures = [
    ...startFigures(samples),
    ...(await idleCycles(thawing, median(samples.boots))),
    ...(await bigPauses(thawing)),
    await forks(thawing, samples.boots),
    ...(await idleCosts(thawing)),
  ];
  return { figures, accelerator: await thawing.accelerator() };
}
