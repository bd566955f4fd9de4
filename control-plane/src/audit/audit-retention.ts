import { setInterval } from "node:timers/promises";
import { sql } from "kysely";
import type { Leadership } from "../database/leadership.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { Logger } from "../logging.ts";

/** Milliseconds between two looks for events that are too old. */
const INTERVAL_MS = 3_600_000;
/** Events that one transaction removes. */
const REMOVED = 5000;

export interface AuditRetentionParts {
  db: Db;
  leadership: Leadership;
  log: Logger;
  /** Days for which events are kept: one at least, which the database holds to. */
  keptDays: number;
}

/** Removes events that are older than they are to be kept. Runs in one control plane at a time. */
export class AuditRetention {
  readonly #parts: AuditRetentionParts;
  readonly #stop = new AbortController();
  #leading: Promise<void> = Promise.resolve();

  constructor(parts: AuditRetentionParts) {
    this.#parts = parts;
  }

  /** Starts to compete for the task and to do it. */
  start(): void {
    this.#leading = this.#parts.leadership.lead("audit retention", (signal) => this.#follow(signal), this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#leading;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      await this.#removeOld(signal);
      for await (const _ of setInterval(INTERVAL_MS, undefined, { signal })) await this.#removeOld(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #removeOld(signal: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    try {
      let removed = 0;
      for (let some = REMOVED; some === REMOVED && !signal.aborted; removed += some) some = await this.#removeSome();
      if (removed > 0) log.info({ events: removed }, "old events of the audit log were removed");
    } catch (error) {
      log.error({ err: error }, "old events of the audit log could not be removed; they are looked for again later");
    }
  }

  /** Removes some of the old events; returns how many. */
  async #removeSome(): Promise<number> {
    const { db, keptDays } = this.#parts;
    return transact(db, async (transaction) => {
      // The trigger of the table lets rows of this age go, in this transaction.
      await sql`select set_config('warren.audit_kept_days', ${String(keptDays)}, true)`.execute(transaction);
      const { numAffectedRows = 0n } = await sql`
        delete from audit_logs where ctid = any(array(
          select ctid from audit_logs where created_at < now() - ${keptDays}::integer * interval '1 day' limit ${REMOVED}
        ))
      `.execute(transaction);
      return Number(numAffectedRows);
    });
  }
}
