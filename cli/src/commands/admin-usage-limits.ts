import {
  LIMITED_AMOUNTS,
  type LimitedAmount,
  type SetUsageLimits,
  type UsageLimits,
} from "@warren/contracts/rest/usage-limits";
import { Command, InvalidArgumentError, Option } from "commander";
import { Operator } from "../servers/operator.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { LIMITED_WORDS, quantityOf } from "./usage-amounts.ts";

interface UsageLimitsOptions {
  dataDir: string;
  json?: boolean;
}

/** `warren admin usage-limits`: what a team may use in a month. */
export function usageLimitsCommand(finish: (status: number) => void): Command {
  const command = new Command("usage-limits")
    .summary("show or set what a team may use in a month")
    .description(
      "Shows or sets what a team may use in each calendar month in UTC, in the units of `warren usage`. At a warning its " +
        "members are told; at a limit its sandboxes are paused and none starts, and none is destroyed.",
    )
    .argument("<team>", "slug")
    .option("--json", "print a JSON object");
  for (const amount of LIMITED_AMOUNTS) {
    const { flag } = LIMITED_WORDS[amount];
    const parse = (text: string) => parseQuantity(amount, text);
    const words = isWhole(amount) ? "a whole number, or `none`" : "a number, or `none`";
    command.addOption(new Option(`--${flag} <limit>`, words).argParser(parse));
    command.addOption(new Option(`--${flag}-warning <quantity>`, words).argParser(parse));
  }
  return command.action(async (slug: string, { dataDir, json }: UsageLimitsOptions) => {
    const operator = new Operator(dataDir);
    const change = changeOf(command.opts());
    const limits = await (Object.keys(change).length > 0
      ? operator.setUsageLimits(slug, change)
      : operator.usageLimits(slug));
    process.stdout.write(json ? `${jsonText(limits)}\n` : limitsTable(limits));
    finish(0);
  });
}

/** What options ask for; empty when they set nothing. */
function changeOf(options: Record<string, number | "none" | undefined>): SetUsageLimits {
  const change: SetUsageLimits = {};
  for (const amount of LIMITED_AMOUNTS) {
    const name = camelCase(LIMITED_WORDS[amount].flag);
    const [limit, warning] = [options[name], options[`${name}Warning`]].map((value) =>
      value === "none" ? null : value,
    );
    if (limit === undefined && warning === undefined) continue;
    change[amount] = { ...(limit !== undefined && { limit }), ...(warning !== undefined && { warning }) };
  }
  return change;
}

function limitsTable(limits: UsageLimits): string {
  const row = (amount: LimitedAmount) => {
    const { used, warning, limit, state } = limits[amount];
    const { label, unit } = LIMITED_WORDS[amount];
    const figure = (value: number | undefined) => (value === undefined ? "-" : String(quantityOf(amount, value)));
    return [`${label}, ${unit}`, figure(used), figure(warning), figure(limit), state];
  };
  return table(["IN THIS MONTH", "USED", "WARNING", "LIMIT", "STATE"], LIMITED_AMOUNTS.map(row));
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
}

/** Whether the unit of the command line is that of the API, which takes whole numbers. */
function isWhole(amount: LimitedAmount): boolean {
  return LIMITED_WORDS[amount].factor === 1;
}

function parseQuantity(amount: LimitedAmount, text: string): number | "none" {
  if (text === "none") return text;
  if (isWhole(amount) ? !/^\d{1,15}$/.test(text) : !/^\d{1,10}(\.\d{1,4})?$/.test(text)) {
    const form = isWhole(amount) ? "a whole number" : "a number with at most four digits after the point";
    throw new InvalidArgumentError(`It must be ${form}, or \`none\`.`);
  }
  return Math.round(Number(text) * LIMITED_WORDS[amount].factor);
}
