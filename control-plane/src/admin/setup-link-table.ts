import type { Generated } from "kysely";

/** Table `setup_link`. */
export interface SetupLinkTable {
  only_one: Generated<boolean>;
  /** SHA-256 of the token, in hex. */
  token_hash: string;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    setup_link: SetupLinkTable;
  }
}
