import { coldBoots, MEMORY_MB } from "../measure/first-output.ts";
import { seconds } from "../measure/format.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";
import { BenchStack } from "../measure/stack.ts";
import { median, percentile } from "../measure/statistics.ts";
import { idleCosts } from "./idle.ts";
import { manyPaused } from "./many-paused.ts";
import { bigPauses, idleCycles } from "./pauses.ts";
import { forks, thaws, warmStarts } from "./starts.ts";

const BOOTS = 8;

/** Figures of freezing and thawing, starts as shares of cold boots of the same run. */
export async function freeze(write: boolean): Promise<void> {
  const boots = await coldBoots(BOOTS);
  const coldBootMs = median(boots);
  const figures: Figure[] = [
    {
      name: `cold boot of ${MEMORY_MB} MiB → first command's output, ${BOOTS} times`,
      value: `${seconds(coldBootMs)} p50, ${seconds(percentile(boots, 0.95))} p95`,
    },
  ];
  let accelerator: string;
  const stack = await BenchStack.start({ WARREN_WARM_POOL: "0" });
  try {
    figures.push(await thaws(stack, coldBootMs));
    figures.push(await warmStarts(coldBootMs));
    figures.push(...(await idleCycles(stack, coldBootMs)));
    figures.push(...(await bigPauses(stack)));
    figures.push(await forks(stack, boots));
    figures.push(...(await idleCosts(stack)));
    accelerator = await stack.accelerator();
  } finally {
    await stack.stop();
  }
  figures.push(await manyPaused());
  await publishReport("freeze", formatReport(figures, accelerator), write);
}
