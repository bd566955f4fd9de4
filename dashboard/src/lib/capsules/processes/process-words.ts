import { formatDuration } from "#lib/format/time.ts";
import type { Process } from "../terminal/shell-tabs.svelte.ts";
import { SHELL, shellNumber } from "../terminal/shell-tag.ts";

/** What runs, in one line: a shell of the pages by its name, with its tag any other that has one. */
export function commandLine({ cmd, args, tag }: Pick<Process, "cmd" | "args" | "tag">): string {
  const number = shellNumber(tag);
  if (number !== undefined && args.at(-1) === SHELL) return `Shell ${number}`;
  const line = [cmd, ...args].join(" ");
  return tag === undefined ? line : `${tag}: ${line}`;
}

/** How a command stands, or how it ended. */
export function howItStands({ exit, background }: Pick<Process, "exit" | "background">): string {
  if (!exit) return background ? "runs" : "runs for a client";
  if (exit.out_of_memory) return "ended: out of memory";
  if (exit.timed_out) return "ended: time limit";
  if (exit.signal !== undefined) return `ended: ${exit.signal}`;
  return exit.exit_code === 0 ? "ended" : `ended: status ${exit.exit_code}`;
}

/** Processor time: to the tenth of a second below a minute. */
export function cpuTime({ cpu_ms, exit }: Pick<Process, "cpu_ms" | "exit">): string {
  if (exit) return "–";
  return cpu_ms < 60_000 ? `${(cpu_ms / 1000).toFixed(1)} s` : formatDuration(cpu_ms / 1000);
}
