import { MB_MINUTES_PER_GB_HOUR } from "@warren/contracts/rest/usage";
import type { LimitedAmount } from "@warren/contracts/rest/usage-limits";

/** An amount as the command line writes and reads it. */
interface AmountWords {
  /** Of options, such as `memory-gb-hours`. */
  flag: string;
  label: string;
  unit: string;
  /** How many of the API's units one is. */
  factor: number;
}

/** What can be limited; memory in the unit of the pages. */
export const LIMITED_WORDS: Record<LimitedAmount, AmountWords> = {
  cpu_minutes: { flag: "cpu-minutes", label: "CPU", unit: "minutes", factor: 1 },
  memory_mb_minutes: { flag: "memory-gb-hours", label: "memory", unit: "GiB·h", factor: MB_MINUTES_PER_GB_HOUR },
  egress_bytes: { flag: "egress-bytes", label: "egress", unit: "bytes", factor: 1 },
};

/** A quantity of the API in the unit of the command line, to four digits after the point. */
export function quantityOf(amount: LimitedAmount, value: number): number {
  return Number((value / LIMITED_WORDS[amount].factor).toFixed(4));
}
