import { spawn } from "node:child_process";
import { WarrenError } from "@warren/contracts/errors";

/** Milliseconds after which a program that only looks at something is killed. */
const LIMIT_MS = 20_000;

/** How a program of the host ended. */
export interface Outcome {
  /** Exit status; -1 when a signal ended it, undefined when it could not be run. */
  status: number | undefined;
  stdout: string;
  stderr: string;
  /** It had not ended by its limit, and was killed. */
  late: boolean;
}

export interface ProgramOptions {
  /** Standard input; default none. */
  input?: string;
  /** Milliseconds after which it is killed with all that it has started; default 20 seconds. */
  limitMs?: number;
}

/** Runs a program of the host to its end. Never rejects. */
export function runProgram(
  program: string,
  args: readonly string[],
  { input = "", limitMs = LIMIT_MS }: ProgramOptions = {},
): Promise<Outcome> {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    // A group of its own, which is killed as a whole.
    detached: true,
    env: { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` },
  });
  const outcome: Outcome = { status: undefined, stdout: "", stderr: "", late: false };
  const ended = new Promise<Outcome>((resolve) => {
    child.once("error", (error) => resolve({ ...outcome, stderr: error.message }));
    child.once("close", (status) => resolve({ ...outcome, status: status ?? -1 }));
  });
  const limit = setTimeout(() => {
    outcome.late = true;
    killGroup(child.pid);
    // One that it has started may have left the group, and holds them open.
    child.stdout.destroy();
    child.stderr.destroy();
  }, limitMs);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    outcome.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    outcome.stderr += text;
  });
  // A program that ends without reading its input is judged by its status.
  child.stdin.on("error", () => undefined).end(input);
  return ended.finally(() => clearTimeout(limit));
}

/** Kills a program and what it has started, as far as anything is left of them. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** As `runProgram`, for what has to succeed: throws `internal_error` with what the program said. `what` names the work. */
export async function needProgram(
  what: string,
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Outcome> {
  const outcome = await runProgram(program, args, options);
  if (outcome.status === 0) return outcome;
  const how = outcome.late ? "it took too long and was killed" : `status ${outcome.status ?? "none"}`;
  throw new WarrenError("internal_error", `${what} failed (${how}): ${outcome.stderr.trim()}`);
}

/** The first line that a program wrote, on whichever output. */
export function firstLine({ stdout, stderr }: Pick<Outcome, "stdout" | "stderr">): string {
  return `${stdout}\n${stderr}`.trim().split("\n")[0]!.trim();
}
