import type { Generated } from "kysely";

/** Table `teams`. */
export interface TeamsTable {
  id: string;
  name: string;
  /** Twelve hex digits as `xxxxxx-xxxxxx`, never changed and never used twice. */
  slug: string;
  is_byoc: Generated<boolean>;
  /** Whether only the owner and admins may make and revoke API keys. */
  api_keys_by_admins: Generated<boolean>;
  /** Whether the start of commands in sandboxes is recorded. */
  audit_exec: Generated<boolean>;
  /** Time of deletion; null = live. */
  deleted_at: Date | null;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    teams: TeamsTable;
  }
}
