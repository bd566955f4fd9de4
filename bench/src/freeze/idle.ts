import { setTimeout as delay } from "node:timers/promises";
import { startSandbox } from "../measure/first-output.ts";
import { megabytes } from "../measure/format.ts";
import { processorSeconds, proportionalMemory, proportionalMemoryOfFile } from "../measure/processes.ts";
import type { Figure } from "../measure/report.ts";
import type { BenchStack } from "../measure/stack.ts";

const FEW = 2;
const MANY = 8;
/** Until what a guest does after its first command is done; nothing tells when. */
const SETTLING_SECONDS = 5;
const IDLE_SECONDS = 20;

interface Memory {
  all: number;
  guest: number;
}

/** What each idle sandbox of one template takes beside others: memory, from a few to many, and processor time. */
export async function idleCosts(stack: BenchStack): Promise<Figure[]> {
  const ids: string[] = [];
  const startUntil = async (count: number): Promise<Memory> => {
    while (ids.length < count) ids.push((await startSandbox(stack)).sandbox.id);
    await delay(SETTLING_SECONDS * 1000);
    return memoryOf(stack, ids);
  };
  const few = await startUntil(FEW);
  const many = await startUntil(MANY);
  const share = await processorShare(await Promise.all(ids.map((id) => stack.vmmPid(id))));
  for (const id of ids) await (await stack.warren.sandboxes.get(id)).destroy();
  const each = (part: keyof Memory) => (many[part] - few[part]) / (MANY - FEW);
  const vmm = each("all") - each("guest");
  return [
    {
      name: "host memory per additional idle sandbox of one template (PSS)",
      value: megabytes(each("all")),
      against: `VMM ${megabytes(vmm)}, guest memory ${megabytes(each("guest"))}`,
      goal: "≤ 60 MB, guest memory ≤ 8 MB",
      met: each("all") <= 60e6 && each("guest") <= 8e6,
    },
    {
      name: `processor time of an idle sandbox over ${IDLE_SECONDS} s`,
      value: `${(100 * share).toFixed(2)} % of a core`,
      against: `mean of ${MANY}`,
      goal: "≤ 2 %",
      met: share <= 0.02,
    },
  ];
}

async function memoryOf(stack: BenchStack, ids: readonly string[]): Promise<Memory> {
  const sum: Memory = { all: 0, guest: 0 };
  for (const id of ids) {
    const { process, memory } = await stack.record(id);
    if (!process || !memory) throw new Error(`${id} has no microVM`);
    sum.all += proportionalMemory(process.pid);
    sum.guest += proportionalMemoryOfFile(process.pid, memory.path);
  }
  return sum;
}

/** Share of a core that each of some processes uses on average. */
async function processorShare(pids: readonly number[]): Promise<number> {
  const used = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const before = used();
  await delay(IDLE_SECONDS * 1000);
  return (used() - before) / IDLE_SECONDS / pids.length;
}
