import type { UsageAmounts } from "@warren/contracts/rest/usage";
import {
  LIMITED_AMOUNTS,
  type LimitedAmount,
  USAGE_STATES,
  type UsageLimits,
  type UsageState,
} from "@warren/contracts/rest/usage-limits";
import { endOf, type UsagePeriod } from "../usage-period.ts";
import type { Level, TeamUsageLimitsTable } from "./usage-limit-tables.ts";
import { quantityWords, writeQuantity } from "./usage-words.ts";

/** What is set for a team. */
export type LimitSettings = Omit<TeamUsageLimitsTable, "team_id">;

/** A warning or a limit that a team has reached. */
export interface Crossing {
  amount: LimitedAmount;
  level: Level;
  threshold: number;
  used: number;
}

/** One that a team has reached. */
export type TeamCrossing = Crossing & { team_id: string };

/** How what was used in a month stands to what is set; null, as undefined, is nothing that is set. */
export function standingOf(month: UsagePeriod, used: UsageAmounts, settings: LimitSettings): UsageLimits {
  const [cpu_minutes, memory_mb_minutes, egress_bytes] = LIMITED_AMOUNTS.map((amount) => {
    const [warning, limit] = [settings[`${amount}_warning`], settings[`${amount}_limit`]];
    return {
      used: used[amount],
      ...(warning !== null && { warning }),
      ...(limit !== null && { limit }),
      state: stateOf(used[amount], warning, limit),
    };
  }) as [UsageLimits["cpu_minutes"], UsageLimits["memory_mb_minutes"], UsageLimits["egress_bytes"]];
  const states = [cpu_minutes, memory_mb_minutes, egress_bytes].map(({ state }) => USAGE_STATES.indexOf(state));
  return {
    ...month,
    ends_at: new Date(endOf(month)).toISOString(),
    state: USAGE_STATES[Math.max(...states)]!,
    cpu_minutes,
    memory_mb_minutes,
    egress_bytes,
  };
}

/** All warnings and limits that are reached. */
export function crossingsOf(standing: UsageLimits): Crossing[] {
  return LIMITED_AMOUNTS.flatMap((amount) => {
    const { used, warning, limit } = standing[amount];
    const levels = [
      { amount, level: "warning" as const, threshold: warning, used },
      { amount, level: "limit" as const, threshold: limit, used },
    ];
    return levels.filter((level): level is Crossing => level.threshold !== undefined && used >= level.threshold);
  });
}

/** That a limit is reached, in words, which go on with what follows from it. */
export function reachedWords({ used, threshold, amount }: Crossing, { from }: UsagePeriod): string {
  const month = new Date(from).toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
  const limit = writeQuantity(amount, threshold);
  return `the team has used ${quantityWords(amount, used)} in ${month} and may use ${limit}`;
}

function stateOf(used: number, warning: number | null, limit: number | null): UsageState {
  if (limit !== null && used >= limit) return "reached";
  return warning !== null && used >= warning ? "warning" : "ok";
}
