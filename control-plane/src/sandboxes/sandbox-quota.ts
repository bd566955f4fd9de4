import type { Caller } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";

/** What a new sandbox takes of its team's quota. */
export interface SandboxDemand {
  vcpus: number;
  memoryMb: number;
}

/** Decides whether a team may have one more sandbox. */
export interface SandboxQuota {
  /** Runs a change in a transaction, in which `admit` is called; a refusal is recorded. */
  within<T>(caller: Caller, change: (transaction: Db) => Promise<T>): Promise<T>;
  /**
   * Called in the transaction that then inserts the sandbox; holds back the team's other admissions until it ends.
   * Throws `quota_exceeded`, or `no_team` when the team is deleted.
   */
  admit(transaction: Db, teamId: string, demand: SandboxDemand): Promise<void>;
}
