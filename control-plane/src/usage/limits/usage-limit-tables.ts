import type { LimitedAmount } from "@warren/contracts/rest/usage-limits";

/** What can be set of an amount. */
export const LEVELS = ["warning", "limit"] as const;
export type Level = (typeof LEVELS)[number];

/** Table `team_usage_limits`: what teams may use in each month, in the units of the API; null = no warning, or no limit. */
export type TeamUsageLimitsTable = { team_id: string } & Record<`${LimitedAmount}_${Level}`, number | null>;

/** Table `usage_notices`: which of them a team was told that it has reached. */
export interface UsageNoticesTable {
  team_id: string;
  /** Its first day. */
  month: string;
  amount: LimitedAmount;
  level: Level;
  threshold: number;
}

declare module "../../database/tables.ts" {
  interface Tables {
    team_usage_limits: TeamUsageLimitsTable;
    usage_notices: UsageNoticesTable;
  }
}
