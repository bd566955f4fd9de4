import type { Generated } from "kysely";

/** Table `oauth_providers`: identities at providers. */
export interface OAuthProvidersTable {
  provider: string;
  /** Id of the user at the provider. */
  provider_id: string;
  user_id: string;
  /** Verified address that the provider named at the first sign-in. */
  email: string;
  created_at: Generated<Date>;
}

/** Table `oauth_used_states`. */
export interface OAuthUsedStatesTable {
  /** SHA-256 of the state, in hex. */
  state_hash: string;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    oauth_providers: OAuthProvidersTable;
    oauth_used_states: OAuthUsedStatesTable;
  }
}
