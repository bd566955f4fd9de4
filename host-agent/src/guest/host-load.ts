import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** A host that is busier than this makes nobody wait longer. */
const MOST = 10;

/** How many times longer than on an idle host the work of a guest takes: processes that could run, by processor; a whole number, at least 1. */
export function hostLoad(): number {
  return loadOf(readFileSync("/proc/loadavg", "utf8"), availableParallelism());
}

/** The same from the text of /proc/loadavg (proc(5)): average of the last minute, and those that could run just now. */
export function loadOf(text: string, processors: number): number {
  const [minute = "0", , , tasks = "0"] = text.split(" ");
  const runnable = Math.max(Number(minute), Number.parseInt(tasks, 10));
  return Math.min(MOST, Math.max(1, Math.ceil(runnable / processors)));
}
