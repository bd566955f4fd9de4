import { readFileSync } from "node:fs";

/** Descriptors that a process has at least that is started in the usual ways. */
const LEAST = 1024;

/** Descriptors that this process may have open; Node has raised the limit as far as it goes (getrlimit(2)). */
export function descriptorLimit(): number {
  const text = readFileSync("/proc/self/limits", "utf8");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return LEAST;
  return soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
}
