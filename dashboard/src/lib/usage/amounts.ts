import type { Schemas } from "#lib/api/client.ts";
import { formatBytes } from "#lib/format/bytes.ts";

type Amounts = Schemas["UsageAmounts"];
export type Amount = keyof Amounts;

/** What is used, and how it is written: `noun` within a sentence. */
export const AMOUNTS: readonly {
  key: Amount;
  label: string;
  noun: string;
  unit: string;
  format: (value: number) => string;
}[] = [
  { key: "cpu_minutes", label: "CPU", noun: "CPU time", unit: "processor time", format: formatMinutes },
  {
    key: "memory_mb_minutes",
    label: "Memory",
    noun: "memory",
    unit: "GiB × hours",
    format: (value) => `${number(value / 1024 / 60)} GiB·h`,
  },
  {
    key: "disk_gb_hours",
    label: "Disk",
    noun: "disk",
    unit: "GiB × hours",
    format: (value) => `${number(value)} GiB·h`,
  },
  { key: "egress_bytes", label: "Egress", noun: "egress", unit: "bytes sent", format: formatBytes },
];

/** What is too little for two digits, and yet not nothing. */
const LITTLE = 0.005;

/** A quantity with as many digits as it is worth. */
function number(value: number): string {
  if (value > 0 && value < LITTLE) return "< 0.01";
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

function formatMinutes(minutes: number): string {
  return minutes < 60 ? `${number(minutes)} min` : `${number(minutes / 60)} h`;
}
