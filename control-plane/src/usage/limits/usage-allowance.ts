import type { LimitedAmount, UsageLimits } from "@warren/contracts/rest/usage-limits";
import type { Db } from "../../database/tables.ts";
import type { UsageLimitStore } from "./usage-limit-store.ts";
import { crossingsOf, reachedWords } from "./usage-standing.ts";

/** A limit that a team has reached. */
export interface ReachedLimit {
  amount: LimitedAmount;
  used: number;
  limit: number;
  /** That it is, and until when, for people. */
  message: string;
}

/** Whether teams may use anything more in this month. */
export class UsageAllowance {
  readonly #limits: UsageLimitStore;

  constructor(limits: UsageLimitStore) {
    this.#limits = limits;
  }

  /** The limit that a team has reached; undefined when there is none. `db` may be a transaction. */
  async reached(teamId: string, db?: Db): Promise<ReachedLimit | undefined> {
    const standing = await this.#limits.find(teamId, Date.now(), db);
    return standing && reachedIn(standing);
  }
}

function reachedIn(standing: UsageLimits): ReachedLimit | undefined {
  const crossing = crossingsOf(standing).find(({ level }) => level === "limit");
  if (!crossing) return undefined;
  const { amount, used, threshold } = crossing;
  const message =
    `${reachedWords(crossing, standing)}; its sandboxes can run again from ${standing.ends_at.slice(0, 10)} in UTC on, or ` +
    "once an administrator of the platform raises the limit";
  return { amount, used, limit: threshold, message };
}
