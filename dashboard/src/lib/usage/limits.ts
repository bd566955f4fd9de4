import type { Schemas } from "#lib/api/client.ts";
import { AMOUNTS } from "./amounts.ts";

export type UsageLimits = Schemas["UsageLimits"];
export type LimitedAmount = "cpu_minutes" | "memory_mb_minutes" | "egress_bytes";

/** An amount of which a team may use so much in a month, or of which it is warned. */
export interface LimitedUse {
  key: LimitedAmount;
  label: string;
  noun: string;
  format: (value: number) => string;
  used: number;
  warning?: number;
  limit?: number;
  state: UsageLimits["state"];
}

/** What can be limited, as it is written. */
export const LIMITED = AMOUNTS.filter(
  (amount): amount is (typeof AMOUNTS)[number] & { key: LimitedAmount } => amount.key !== "disk_gb_hours",
);

/** The amounts for which something is set. */
export function limitedUses(limits: UsageLimits): LimitedUse[] {
  return LIMITED.map(({ key, label, noun, format }) => ({ key, label, noun, format, ...limits[key] })).filter(
    ({ warning, limit }) => warning !== undefined || limit !== undefined,
  );
}

/** What members are to know, as a sentence; undefined while nothing is reached. */
export function noticeOf(limits: UsageLimits): string | undefined {
  if (limits.state === "ok") return undefined;
  const uses = limitedUses(limits).filter(({ state }) => state === limits.state);
  const used = uses.map(({ used, noun, format }) => `${format(used)} of ${noun}`).join(" and ");
  const said = `The team has used ${used} in ${monthOf(limits)}`;
  if (limits.state === "reached") {
    return (
      `${said}, all that it may: its capsules are paused and none starts until ${endOf(limits)}, or until an ` +
      "administrator of the platform raises the limit."
    );
  }
  const limited = uses.filter(({ limit }) => limit !== undefined);
  if (limited.length === 0) return `${said}.`;
  return `${said}. At ${limited.map(({ limit, noun, format }) => `${format(limit!)} of ${noun}`).join(" or ")} its capsules are paused.`;
}

/** What one amount comes to, in a few words. */
export function standingWords({ warning, limit, state, format }: LimitedUse): string {
  if (state === "reached") return "Limit reached";
  if (state === "warning") return limit === undefined ? "Above the warning" : `${format(limit)} is the limit`;
  return warning === undefined ? "" : `Warning at ${format(warning)}`;
}

/** Where something stands on the bar of an amount, in percent: the bar ends at the limit, or at the warning. */
export function placeOnBar({ warning, limit, used }: LimitedUse, value: number): number {
  const end = Math.max(limit ?? warning ?? 0, limit === undefined ? used : 0);
  return end === 0 ? 100 : Math.min(100, (value / end) * 100);
}

function monthOf({ from }: UsageLimits): string {
  return new Date(from).toLocaleDateString("en", { month: "long", timeZone: "UTC" });
}

function endOf({ ends_at }: UsageLimits): string {
  const day = new Date(ends_at).toLocaleDateString("en", { month: "long", day: "numeric", timeZone: "UTC" });
  return `${day}, 00:00 UTC`;
}
