import { WarrenError } from "@warren/contracts/errors";
import { LIMITED_AMOUNTS, type SetUsageLimits } from "@warren/contracts/rest/usage-limits";
import { LEVELS } from "./usage-limit-tables.ts";
import type { LimitSettings } from "./usage-standing.ts";

/** What is set after a change; throws `invalid_request` that names a warning above its limit. */
export function changedSettings(before: LimitSettings, change: SetUsageLimits): LimitSettings {
  const after = { ...before };
  for (const amount of LIMITED_AMOUNTS) {
    for (const level of LEVELS) {
      const value = change[amount]?.[level];
      if (value !== undefined) after[`${amount}_${level}`] = value;
    }
    const [warning, limit] = [after[`${amount}_warning`], after[`${amount}_limit`]];
    if (warning === null || limit === null || warning <= limit) continue;
    const field = change[amount]?.warning === undefined ? "limit" : "warning";
    throw new WarrenError(
      "invalid_request",
      `body/${amount}/${field} has the warning at ${warning}, above the limit, ${limit}: members are to be warned before`,
    );
  }
  return after;
}

/** What differs, for the audit log: each as `new_…` and `old_…`, null for none. */
export function changesBetween(before: LimitSettings, after: LimitSettings): Record<string, number | null> {
  const changes: Record<string, number | null> = {};
  for (const amount of LIMITED_AMOUNTS) {
    for (const level of LEVELS) {
      const name = `${amount}_${level}` as const;
      if (before[name] === after[name]) continue;
      changes[`old_${name}`] = before[name];
      changes[`new_${name}`] = after[name];
    }
  }
  return changes;
}
