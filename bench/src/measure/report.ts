import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, release } from "node:os";
import { resolve } from "node:path";

const DOCUMENT = resolve(import.meta.dirname, "../../../docs/performance.md");

/** One line of a report. */
export interface Figure {
  name: string;
  value: string;
  /** What it is held against in the same run, and the ratio; empty when it stands for itself. */
  against?: string;
  goal?: string;
  /** Whether the goal is met; undefined when there is none. */
  met?: boolean;
}

/** A Markdown table of figures with the machine that they were measured on. */
export function formatReport(figures: readonly Figure[], accelerator: string): string {
  const machine = `${cpus()[0]?.model.trim() ?? process.arch}, ${availableParallelism()} cores, Linux ${release()}, accelerator ${accelerator}`;
  const rows = figures.map(({ name, value, against = "", goal = "", met }) => {
    const verdict = met === undefined ? "" : met ? "met" : "missed";
    return `| ${name} | ${value} | ${against} | ${goal} | ${verdict} |`;
  });
  return [`Machine: ${machine}.`, "", "| figure | value | against | goal | |", "|---|---|---|---|---|", ...rows].join(
    "\n",
  );
}

/** Prints a report and, if asked, puts it between the marks of `section` in docs/performance.md. */
export async function publishReport(section: string, report: string, write: boolean): Promise<void> {
  process.stdout.write(`${report}\n`);
  if (!write) return;
  const [begin, end] = [`<!-- ${section}: begin -->`, `<!-- ${section}: end -->`];
  const text = await readFile(DOCUMENT, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no place for ${section}`);
  await writeFile(DOCUMENT, `${text.slice(0, from + begin.length)}\n${report}\n${text.slice(to)}`);
}
