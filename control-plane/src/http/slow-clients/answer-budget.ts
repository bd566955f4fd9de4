import type { ServerResponse } from "node:http";
import { Budget } from "@warren/server/budget";
import { RateLimited } from "../../rate-limits/rate-limited.ts";
import { whenOver } from "./when-over.ts";

/** Bounds the bytes of answers that are held in memory until their clients have taken them. */
export class AnswerBudget {
  readonly #mostPerTeam: number;
  readonly #budget: Budget;

  constructor(limits: { answerBytes: number; answerBytesOfAll: number }) {
    this.#mostPerTeam = limits.answerBytes;
    this.#budget = new Budget(limits.answerBytesOfAll);
  }

  /** Counts bytes of a team until the response is over; throws `rate_limited` when that is too much. */
  hold(teamId: string, bytes: number, response: ServerResponse): void {
    const claims = [{ owner: teamId, most: this.#mostPerTeam }];
    if (!this.#budget.take(claims, bytes)) {
      throw new RateLimited("the command has ended, and its output waits behind others that clients do not take", 1);
    }
    whenOver(response, () => this.#budget.release(claims, bytes));
  }
}
