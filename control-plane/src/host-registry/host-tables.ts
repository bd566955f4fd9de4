import type { ColumnType, Generated } from "kysely";

/** Table `host_tokens`: registration tokens, for the record. The secrets are in Redis or in `one_time_tokens`. */
export interface HostTokensTable {
  id: string;
  host_id: string;
  created_by: string | null;
  created_at: Generated<Date>;
  expires_at: Date;
  used_at: ColumnType<Date | null, undefined, Date>;
}

/** Table `host_refresh_tokens`. */
export interface HostRefreshTokensTable {
  id: string;
  host_id: string;
  /** SHA-256, in hex. */
  token_hash: string;
  created_at: Generated<Date>;
  expires_at: Date;
  /** From when on it is worth nothing; may be ahead. */
  revoked_at: ColumnType<Date | null, undefined, Date>;
}

/** Table `host_tags`. */
export interface HostTagsTable {
  host_id: string;
  tag: string;
}

/** Table `one_time_tokens`. */
export interface OneTimeTokensTable {
  /** SHA-256, in hex. */
  token_hash: string;
  value: string;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    host_tokens: HostTokensTable;
    host_refresh_tokens: HostRefreshTokensTable;
    host_tags: HostTagsTable;
    one_time_tokens: OneTimeTokensTable;
  }
}
