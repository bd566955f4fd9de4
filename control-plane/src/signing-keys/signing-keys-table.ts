import type { Generated } from "kysely";

/** Table `signing_keys`. */
export interface SigningKeysTable {
  kid: string;
  /** 32 random bytes in base64url, sealed. */
  secret: string;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    signing_keys: SigningKeysTable;
  }
}
