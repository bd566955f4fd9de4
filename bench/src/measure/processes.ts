import { readFileSync } from "node:fs";

/** Clock ticks per second of /proc/PID/stat (USER_HZ, 100 on every architecture that Linux has kept). */
const TICKS_PER_SECOND = 100;

/** Proportional set size of a process, in bytes: memory shared with n others counts 1/n (proc(5), smaps_rollup). */
export function proportionalMemory(pid: number): number {
  const match = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Seconds of processor time that a process has used. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
