import { MB_MINUTES_PER_GB_HOUR } from "@warren/contracts/rest/usage";
import type { LimitedAmount } from "@warren/contracts/rest/usage-limits";

/** What can be limited, as people are told of it, here and on the pages in the same units. */
const WORDS: Record<LimitedAmount, { noun: string; write: (value: number) => string }> = {
  cpu_minutes: { noun: "CPU time", write: writeMinutes },
  memory_mb_minutes: { noun: "memory", write: (value) => `${writeNumber(value / MB_MINUTES_PER_GB_HOUR)} GiB·h` },
  egress_bytes: { noun: "egress", write: writeBytes },
};

/** How much of what: `1.5 h of CPU time`, `0.1 GiB·h of memory`, `2 KiB of egress`. */
export function quantityWords(amount: LimitedAmount, value: number): string {
  return `${WORDS[amount].write(value)} of ${WORDS[amount].noun}`;
}

/** The quantity alone. */
export function writeQuantity(amount: LimitedAmount, value: number): string {
  return WORDS[amount].write(value);
}

/** With as many digits as it is worth; what is too little for two of them is not nothing. */
function writeNumber(value: number): string {
  if (value > 0 && value < 0.005) return "< 0.01";
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

function writeMinutes(minutes: number): string {
  return minutes < 60 ? `${writeNumber(minutes)} min` : `${writeNumber(minutes / 60)} h`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function writeBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${Number(value.toFixed(unit === 0 || value >= 100 ? 0 : 1))} ${UNITS[unit]}`;
}
