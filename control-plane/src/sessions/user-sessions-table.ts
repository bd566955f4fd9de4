import type { Generated } from "kysely";

/** Table `user_sessions`. */
export interface UserSessionsTable {
  id: string;
  user_id: string;
  created_at: Generated<Date>;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    user_sessions: UserSessionsTable;
  }
}
