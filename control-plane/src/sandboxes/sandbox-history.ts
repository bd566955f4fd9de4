import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { Selectable } from "kysely";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import { type Actor, SYSTEM } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { isGivenHere } from "./reasons.ts";
import { specOf } from "./sandbox-spec.ts";
import type { SandboxesTable, SandboxOperation } from "./sandboxes-table.ts";

type SandboxRow = Selectable<SandboxesTable>;
/** A sandbox before the change. */
type FormerRow = Pick<SandboxRow, "status" | "operation">;

/** Records what a change of status means, in its transaction: `row` is the sandbox as it has become. */
type Telling = (row: SandboxRow, db: Db) => Promise<void>;

/** Outcome of an operation that somebody has asked for; an error, if there is one, is in the row or goes back to the caller. */
type Outcome = "success" | "error";

/** Operations that begin with a sandbox that is not there. */
const BIRTHS: SandboxOperation["action"][] = ["create", "fork"];

/**
 * Tells the audit log what happens to sandboxes. An operation stands in the row while it is under way, with who asked for it,
 * so that its end is told once and of its actor, whoever notes it: the call, or a comparison with the host.
 */
export class SandboxHistory {
  readonly #audit: SandboxEvents;

  constructor(audit: SandboxEvents) {
    this.#audit = audit;
  }

  /** What is to be told of a change; undefined when it is nothing. */
  telling(from: FormerRow, to: SandboxStatus): Telling | undefined {
    switch (to) {
      case "running":
        return this.#ofRunning(from);
      case "paused":
        return this.#ofPaused(from);
      case "stopped":
        return this.#ofStopped(from);
      case "error":
        return this.#ofBirth(from, "error");
      default:
        return undefined;
    }
  }

  /** Somebody has taken sandboxes out of use for good. */
  destroyed(by: Actor, rows: readonly SandboxRow[], db: Db): Promise<void> {
    const reason = rows[0]?.reason ?? null;
    // That it was asked for, and by whom, is the event itself.
    return this.#audit.sandboxesDestroyed(db, by, rows, reason?.code === "requested" ? null : reason);
  }

  /** What was under way in a sandbox comes to nothing, since it has been taken out of use. */
  async cutOff(from: FormerRow, row: SandboxRow, db: Db): Promise<void> {
    const told = this.#ofBirth(from, "error") ?? this.#ofOperation(from, "error");
    await told?.(row, db);
  }

  /** Somebody has changed settings of a sandbox. */
  updated(by: Actor, row: SandboxRow, fields: string[], db: Db): Promise<void> {
    return this.#audit.sandboxUpdated(db, by, row, fields);
  }

  /** The host of sandboxes does not answer. */
  missing(rows: readonly { id: string; team_id: string }[], db: Db): Promise<void> {
    return this.#audit.sandboxesMissing(db, rows);
  }

  #ofRunning(from: FormerRow): Telling | undefined {
    switch (from.status) {
      case "pending":
      case "starting":
        return this.#ofBirth(from, "success");
      case "pausing":
        return this.#ofOperation(from, "error");
      case "resuming":
        return this.#ofOperation(from, "success");
      case "paused":
        return (row, db) => this.#audit.sandboxAutoResumed(db, row);
      case "missing":
        return this.#ofFound(from);
      default:
        return undefined;
    }
  }

  #ofPaused(from: FormerRow): Telling | undefined {
    const autoPaused: Telling = (row, db) => this.#audit.sandboxAutoPaused(db, row, row.reason);
    switch (from.status) {
      case "pending":
      case "starting":
        return both(this.#ofBirth(from, "success"), autoPaused);
      case "running":
        return autoPaused;
      case "pausing": {
        const asked = this.#ofOperation(from, "success");
        // Whoever asked found it done where its host had a reason of its own.
        return async (row, db) => {
          if (row.reason && !isGivenHere(row.reason)) await autoPaused(row, db);
          else await asked?.(row, db);
        };
      }
      case "resuming":
        return this.#ofOperation(from, "error");
      case "missing":
        return this.#ofFound(from);
      default:
        return undefined;
    }
  }

  #ofStopped(from: FormerRow): Telling | undefined {
    // Its end was told when it was taken out of use.
    if (from.status === "stopping") return undefined;
    const stopped: Telling = (row, db) =>
      row.reason?.code === "inactivity"
        ? this.#audit.sandboxesDestroyed(db, SYSTEM, [row], row.reason)
        : this.#audit.sandboxStopped(db, row, row.reason);
    return both(this.#ofBirth(from, "success") ?? this.#ofOperation(from, "error"), stopped);
  }

  /** The first time that a missing sandbox is seen may be its first time at all. */
  #ofFound(from: FormerRow): Telling {
    const found: Telling = (row, db) => this.#audit.sandboxFound(db, row, row.status, row.reason);
    return both(this.#ofBirth(from, "success"), found);
  }

  /** Of a sandbox that was being made, and has come to run or failed. */
  #ofBirth({ operation }: FormerRow, outcome: Outcome): Telling | undefined {
    if (!operation || !BIRTHS.includes(operation.action)) return undefined;
    const { action, actor, source } = operation;
    return (row, db) => {
      const { template, vcpus, memory_mb } = specOf(row);
      const error = outcome === "error" ? { error: row.error ?? "it did not start" } : {};
      const about = { template, vcpus, memory_mb, ...(row.name !== null && { name: row.name }), ...error };
      return action === "fork"
        ? this.#audit.sandboxForked(db, actor, row, { ...about, ...(source !== undefined && { source }) })
        : this.#audit.sandboxCreated(db, actor, row, about);
    };
  }

  #ofOperation({ operation }: FormerRow, outcome: Outcome): Telling | undefined {
    if (!operation) return undefined;
    const { action, actor, reason } = operation;
    // One by the control plane itself is tried again until it succeeds.
    if (reason) return outcome === "success" ? (row, db) => this.#audit.sandboxAutoPaused(db, row, reason) : undefined;
    switch (action) {
      case "pause":
        return (row, db) => this.#audit.sandboxPaused(db, actor, row, outcome);
      case "resume":
        return (row, db) => this.#audit.sandboxResumed(db, actor, row, outcome);
      case "rollback":
        return (row, db) => this.#audit.sandboxRolledBack(db, actor, row, outcome);
      default:
        return undefined;
    }
  }
}

/** One after the other. */
function both(first: Telling | undefined, second: Telling): Telling {
  return async (row, db) => {
    await first?.(row, db);
    await second(row, db);
  };
}
