import type { TeamUsage, UsageAmounts } from "@warren/contracts/rest/usage";
import { LIMITED_AMOUNTS, type UsageLimits } from "@warren/contracts/rest/usage-limits";
import { Command, Option } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { warn } from "../terminal/messages.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { LIMITED_WORDS, quantityOf } from "./usage-amounts.ts";

interface UsageOptions {
  dataDir: string;
  from?: string;
  to?: string;
  by?: "sandbox" | "template";
  csv?: boolean;
  json?: boolean;
}

/** `warren usage`: what the team has used of processors, memory, disk and network. */
export function usageCommand(finish: (status: number) => void): Command {
  return new Command("usage")
    .summary("what has been used of processors, memory, disk and network")
    .addOption(dataDirOption())
    .option("--from <day>", "first day in UTC, such as 2026-01-31 (default: the first of the month)")
    .option("--to <day>", "last day in UTC (default: today)")
    .addOption(new Option("--by <kind>", "a line for each of these, not for each day").choices(["sandbox", "template"]))
    .addOption(new Option("--csv", "print CSV").conflicts("json"))
    .option("--json", "print a JSON object")
    .action(async ({ dataDir, from, to, by, csv, json }: UsageOptions) => {
      const { usage } = await runningServer(dataDir);
      const asked = { ...(from && { from }), ...(to && { to }), ...(by && { groupBy: by }) };
      if (csv) process.stdout.write(await usage.csv(asked));
      else {
        const used = await usage.get(asked);
        process.stdout.write(json ? `${jsonText(used)}\n` : usageTable(used));
        if (used.limits) for (const line of noticesOf(used.limits)) warn(line);
      }
      finish(0);
    });
}

/** A line for each amount of which the team has reached the warning or the limit. */
function noticesOf(limits: UsageLimits): string[] {
  return LIMITED_AMOUNTS.flatMap((amount) => {
    const { used, warning = 0, limit = 0, state } = limits[amount];
    const { label, unit } = LIMITED_WORDS[amount];
    const figure = (value: number) => String(quantityOf(amount, value));
    if (state === "reached") {
      return [
        `${label}: ${figure(used)} of ${figure(limit)} ${unit} used: sandboxes are paused and none starts until ` +
          `${limits.ends_at}, or until an administrator of the platform raises the limit.`,
      ];
    }
    return state === "warning"
      ? [`${label}: ${figure(used)} ${unit} used, of which you are warned from ${figure(warning)} on.`]
      : [];
  });
}

const AMOUNTS = ["CPU MIN", "MEMORY GIB·H", "DISK GIB·H", "EGRESS BYTES"];

function usageTable({ days, total, sandboxes, templates }: TeamUsage): string {
  const sum = ["total", ...amounts(total)];
  if (sandboxes) {
    const rows = sandboxes.map(({ sandbox_id, name = "", template, ...used }) => [
      sandbox_id,
      name,
      template,
      ...amounts(used),
    ]);
    return table(["SANDBOX", "NAME", "TEMPLATE", ...AMOUNTS], [...rows, ["total", "", "", ...amounts(total)]]);
  }
  if (templates) {
    const rows = templates.map(({ template, ...used }) => [template, ...amounts(used)]);
    return table(["TEMPLATE", ...AMOUNTS], [...rows, sum]);
  }
  const inUse = days.filter(({ day: _, ...used }) => Object.values(used).some((amount) => amount !== 0));
  return table(["DAY", ...AMOUNTS], [...inUse.map(({ day, ...used }) => [day, ...amounts(used)]), sum]);
}

function amounts({ cpu_minutes, memory_mb_minutes, disk_gb_hours, egress_bytes }: UsageAmounts): string[] {
  return [cpu_minutes, quantityOf("memory_mb_minutes", memory_mb_minutes), disk_gb_hours, egress_bytes].map(String);
}
