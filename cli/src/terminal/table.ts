import { printableName } from "./printable.ts";

/** Lays out rows under their headings, two blanks between columns. */
export function table(headings: string[], texts: string[][]): string {
  const rows = texts.map((row) => row.map(printableName));
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)));
  const lines = [headings, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}
