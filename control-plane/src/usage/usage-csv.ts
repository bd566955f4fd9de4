import type { TeamUsage, UsageAmounts } from "@warren/contracts/rest/usage";

const AMOUNTS = [
  "cpu_minutes",
  "memory_mb_minutes",
  "disk_gb_hours",
  "egress_bytes",
] as const satisfies readonly (keyof UsageAmounts)[];

/** Use as CSV (RFC 4180): a line for each sandbox or template where these are told, else for each day. */
export function usageCsv({ days, sandboxes, templates }: TeamUsage): string {
  if (sandboxes) return csv(["sandbox_id", "name", "template", ...AMOUNTS], sandboxes);
  if (templates) return csv(["template", ...AMOUNTS], templates);
  return csv(["day", ...AMOUNTS], days);
}

function csv<Name extends string>(
  names: readonly Name[],
  rows: readonly { [Key in Name]?: string | number }[],
): string {
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))];
  return lines.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
