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
  created_at: Generated<Date>;
  last_used: Date | null;
}
