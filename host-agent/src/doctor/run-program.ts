import { spawn } from "node:child_process";
import type { Outcome } from "./finding.ts";

/** Milliseconds after which a program that does not end is killed. */
const LIMIT_MS = 20_000;

/** Runs a program to its end; `input` is its standard input. */
export function runProgram(program: string, args: readonly string[], input = ""): Promise<Outcome> {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: LIMIT_MS,
    env: { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  const outcome: Outcome = { status: undefined, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    outcome.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    outcome.stderr += text;
  });
  // A program that ends without reading its input is judged by its status.
  child.stdin.on("error", () => undefined).end(input);
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ ...outcome, stderr: error.message }));
    child.once("close", (status) => resolve({ ...outcome, status: status ?? -1 }));
  });
}

/** The first line that a program wrote, on whichever output. */
export function firstLine({ stdout, stderr }: Outcome): string {
  return `${stdout}\n${stderr}`.trim().split("\n")[0]!.trim();
}
