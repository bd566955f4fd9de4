import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";

/** What a new sandbox takes of its team's quota. */
export interface SandboxDemand {
  vcpus: number;
  memoryMb: number;
}

/** Decides whether a team may have one more sandbox. */
export interface SandboxQuota {
  /**
   * Called in the transaction that then inserts the sandbox; holds back the team's other admissions until it ends.
   * Throws `quota_exceeded`, or `no_team` when the team is deleted.
   */
  admit(transaction: Db, teamId: string, demand: SandboxDemand): Promise<void>;
}

/** The same number of sandboxes for every team. */
export class SandboxesPerTeam implements SandboxQuota {
  readonly #limit: number;

  constructor(limit: number = LIMITS.sandboxesPerTeam) {
    this.#limit = limit;
  }

  async admit(transaction: Db, teamId: string): Promise<void> {
    const team = await transaction
      .selectFrom("teams")
      .select("id")
      .where("id", "=", teamId)
      .where("deleted_at", "is", null)
      .forUpdate()
      .executeTakeFirst();
    if (!team) throw new WarrenError("no_team", "the team of this credential was deleted");
    const { count } = await transaction
      .selectFrom("sandboxes")
      .select(sql<number>`count(*)`.as("count"))
      .where("team_id", "=", teamId)
      .where("status", "not in", ["paused", "stopped", "error"])
      .executeTakeFirstOrThrow();
    if (count < this.#limit) return;
    throw new WarrenError(
      "quota_exceeded",
      `the team has ${count} sandboxes, and may have ${this.#limit} that are not paused; destroy or pause some first`,
    );
  }
}
