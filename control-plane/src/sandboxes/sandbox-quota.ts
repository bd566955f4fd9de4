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
