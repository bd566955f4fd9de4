import { sql } from "kysely";
import { REMOVED_TOGETHER, Retention, type RetentionParts } from "../database/retention.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";

export interface AuditRetentionParts extends Pick<RetentionParts, "leadership" | "log"> {
  db: Db;
  /** Days for which events are kept: one at least, which the database holds to. */
  keptDays: number;
}

/** Removes events that are older than they are to be kept. */
export function auditRetention({ db, keptDays, ...parts }: AuditRetentionParts): Retention {
  const removeSome = () => removeOld(db, keptDays);
  return new Retention({ ...parts, name: "audit retention", what: "the audit log", removeSome });
}

/** Removes some of the old events; returns how many. */
function removeOld(db: Db, keptDays: number): Promise<number> {
  return transact(db, async (transaction) => {
    // The trigger of the table lets rows of this age go, in this transaction.
    await sql`select set_config('warren.audit_kept_days', ${String(keptDays)}, true)`.execute(transaction);
    const { numAffectedRows = 0n } = await sql`
      delete from audit_logs where ctid = any(array(
        select ctid from audit_logs where created_at < now() - ${keptDays}::integer * interval '1 day'
        limit ${REMOVED_TOGETHER}
      ))
    `.execute(transaction);
    return Number(numAffectedRows);
  });
}
