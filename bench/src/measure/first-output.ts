import type { Sandbox, Warren } from "@warren/sdk";
import { BenchStack } from "./stack.ts";
import { timed } from "./timing.ts";

/** MiB of memory of the sandboxes whose starts are compared. */
export const MEMORY_MB = 512;

/** Runs the command whose output shows that a sandbox answers. */
export async function answer(sandbox: Sandbox): Promise<void> {
  const { stdout } = await sandbox.exec("echo", ["hello"]);
  if (stdout !== "hello\n") throw new Error(`the first command said ${JSON.stringify(stdout)}`);
}

/** Milliseconds from the request for a sandbox to the output of its first command. */
export async function startSandbox(warren: Warren): Promise<{ ms: number; sandbox: Sandbox }> {
  const { ms, result } = await timed(async () => {
    const sandbox = await warren.sandboxes.create({ memoryMb: MEMORY_MB });
    await answer(sandbox);
    return sandbox;
  });
  return { ms, sandbox: result };
}

/** Starts sandboxes that boot, one after the other. Gives the milliseconds to the first command's output of each. */
export async function coldBoots(count: number): Promise<number[]> {
  const stack = await BenchStack.start({ WARREN_COLD_BOOT: "1", WARREN_WARM_POOL: "0" });
  try {
    const samples: number[] = [];
    while (samples.length < count) {
      const { ms, sandbox } = await startSandbox(stack.warren);
      samples.push(ms);
      await sandbox.destroy();
    }
    return samples;
  } finally {
    await stack.stop();
  }
}
