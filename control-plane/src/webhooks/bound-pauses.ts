import { sql } from "kysely";
import type { Db } from "../database/tables.ts";

/** Milliseconds: less than the silence after which another control plane sends in place of one that hangs. */
const LONGEST_PAUSE_MS = 4000;

/**
 * Has the database end this transaction when whoever began it falls silent: it is about to lock what the control plane that
 * sends needs, be it another one by then.
 */
export async function boundPauses(transaction: Db): Promise<void> {
  await sql`set local idle_in_transaction_session_timeout = ${sql.lit(LONGEST_PAUSE_MS)}`.execute(transaction);
}
