import type { Generated } from "kysely";

/** Table `user_sessions`. */
export interface UserSessionsTable {
  id: string;
  user_id: string;
  created_at: Generated<Date>;
  expires_at: Date;
  /** Written every few seconds. */
  last_used_at: Generated<Date>;
  /** What the client said of itself when the session was opened. */
  user_agent: string | null;
  /** Address from which it was opened. */
  address: string | null;
}

declare module "../database/tables.ts" {
  interface Tables {
    user_sessions: UserSessionsTable;
  }
}
