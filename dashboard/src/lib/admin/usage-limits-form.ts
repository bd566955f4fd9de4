import type { LimitedAmount, UsageLimits } from "#lib/usage/limits.ts";

/** What can be set, in the units in which it is typed: so many of the API's make one. */
export const FIELDS: readonly { key: LimitedAmount; label: string; factor: number }[] = [
  { key: "cpu_minutes", label: "CPU time, minutes", factor: 1 },
  { key: "memory_mb_minutes", label: "Memory, GiB × hours", factor: 1024 * 60 },
  { key: "egress_bytes", label: "Egress, GiB", factor: 1024 ** 3 },
];
const LEVELS = ["warning", "limit"] as const;

/** The highest limit that the API takes, in its units. */
const MOST = 1e15;

/** What was typed for each amount. */
export type Typed = Record<LimitedAmount, { warning: string; limit: string }>;
export type Change = Partial<Record<LimitedAmount, { warning?: number | null; limit?: number | null }>>;

/** What is set, as it is shown in the fields. */
export function typedOf(limits: UsageLimits): Typed {
  const words = (value: number | undefined, factor: number) =>
    value === undefined ? "" : String(Number((value / factor).toFixed(4)));
  return Object.fromEntries(
    FIELDS.map(({ key, factor }) => [
      key,
      { warning: words(limits[key].warning, factor), limit: words(limits[key].limit, factor) },
    ]),
  ) as Typed;
}

/** What is wrong with a field; nothing typed stands for none. */
export function fieldProblem(typed: Typed, key: LimitedAmount, level: (typeof LEVELS)[number]): string | undefined {
  const { factor } = FIELDS.find((field) => field.key === key)!;
  const text = typed[key][level].trim();
  if (text === "") return undefined;
  const form = factor === 1 ? /^\d{1,15}$/ : /^\d{1,15}(\.\d{1,4})?$/;
  if (!form.test(text)) return factor === 1 ? "A whole number, or nothing" : "A number, or nothing";
  if (Number(text) * factor > MOST) return `At most ${Math.floor(MOST / factor).toLocaleString("en")}`;
  const limit = typed[key].limit.trim();
  const isAbove = level === "warning" && limit !== "" && Number(text) > Number(limit);
  return isAbove ? "Above the limit" : undefined;
}

/** The request for what was changed; undefined when nothing was. */
export function changeOf(before: UsageLimits, typed: Typed): Change | undefined {
  const shown = typedOf(before);
  const change: Change = {};
  for (const { key, factor } of FIELDS) {
    for (const level of LEVELS) {
      const text = typed[key][level].trim();
      if (text === shown[key][level]) continue;
      change[key] = { ...change[key], [level]: text === "" ? null : Math.round(Number(text) * factor) };
    }
  }
  return Object.keys(change).length === 0 ? undefined : change;
}
