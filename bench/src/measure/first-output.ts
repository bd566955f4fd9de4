import type { Sandbox } from "@warren/sdk";
import type { BenchStack } from "./stack.ts";
import { timed } from "./timing.ts";

/** MiB of memory of the sandboxes whose starts are compared. */
export const MEMORY_MB = 512;

/** Runs the command whose output shows that a sandbox answers. */
export async function answer(sandbox: Sandbox): Promise<void> {
  const { stdout } = await sandbox.exec("echo", ["hello"]);
  if (stdout !== "hello\n") throw new Error(`the first command said ${JSON.stringify(stdout)}`);
}

/** Milliseconds from the request for a sandbox to the output of its first command. */
export async function startSandbox({ warren }: BenchStack): Promise<{ ms: number; sandbox: Sandbox }> {
  const { ms, result } = await timed(async () => {
    const sandbox = await warren.sandboxes.create({ memoryMb: MEMORY_MB });
    await answer(sandbox);
    return sandbox;
  });
  return { ms, sandbox: result };
}

/** As `startSandbox`, for a sandbox that is not needed further. */
export async function startMs(stack: BenchStack): Promise<number> {
  const { ms, sandbox } = await startSandbox(stack);
  await sandbox.destroy();
  return ms;
}
