import type { ApiKeyScope } from "@warren/contracts/rest/api-keys";
import type { Generated } from "kysely";

/** Table `team_api_keys`. */
export interface ApiKeysTable {
  id: string;
  team_id: string;
  name: string;
  /** SHA-256 of the 40 hex digits after the prefix, in hex. */
  key_hash: string;
  /** First 12 characters of the key, for display. */
  key_prefix: string;
  /** UUID of the user who made the key; null for the key that the server made at its first start. */
  created_by: string | null;
  scopes: Generated<ApiKeyScope[]>;
  /** When the key ends by itself; null = never. */
  expires_at: Date | null;
  created_at: Generated<Date>;
  last_used: Date | null;
}

declare module "../database/tables.ts" {
  interface Tables {
    team_api_keys: ApiKeysTable;
  }
}
