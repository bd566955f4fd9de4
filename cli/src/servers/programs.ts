import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "@warren/server/node-flags";

const repository = join(import.meta.dirname, "../../..");
/** Directory of the programs in one file each, which the launcher names when they are there. */
const { WARREN_BUNDLE: bundle } = process.env;

/** Programs of the two servers, run by this Node. */
export const HOST_AGENT = bundle ? join(bundle, "host-agent.js") : join(repository, "host-agent/src/main.ts");
export const CONTROL_PLANE = bundle ? join(bundle, "control-plane.js") : join(repository, "control-plane/src/main.ts");

/** How to run the host agent for one task. */
export interface TaskOptions {
  /** Takes each line of its standard output. */
  onLine?: (line: string) => void;
  /** Where its standard error goes: to the caller's, or into the message of the error. */
  stderr: "inherit" | "capture";
  signal?: AbortSignal;
}

/** Runs one task of the host agent, such as `sweep`, to its end and resolves with its exit status. */
export async function runHostAgentTask(
  args: string[],
  options: TaskOptions,
): Promise<{ status: number; stderr: string }> {
  const child = spawn(process.execPath, [...NODE_FLAGS, HOST_AGENT, ...args], {
    stdio: ["ignore", "pipe", options.stderr === "inherit" ? "inherit" : "pipe"],
  });
  options.signal?.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
    stderr = (stderr + piece).slice(-MOST_STDERR);
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? -1));
  });
  // A failure to start is reported below; reading must not report it first.
  ended.catch(() => undefined);
  for await (const line of createInterface({ input: child.stdout! })) options.onLine?.(line);
  const status = await ended;
  options.signal?.throwIfAborted();
  return { status, stderr };
}

/** Characters of standard error that are kept. */
const MOST_STDERR = 16 * 1024;
