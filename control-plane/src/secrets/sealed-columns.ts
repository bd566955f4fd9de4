/** A column of the database whose texts are sealed. */
export interface SealedColumn {
  table: string;
  column: string;
  /** Column that names a row. */
  id: string;
}

export const SIGNING_KEY_SECRET: SealedColumn = { table: "signing_keys", column: "secret", id: "kid" };

export const HOST_AUTHORITY_KEY: SealedColumn = { table: "host_authorities", column: "private_key", id: "id" };

export const WEBHOOK_URL: SealedColumn = { table: "webhooks", column: "url", id: "id" };
export const WEBHOOK_SECRET: SealedColumn = { table: "webhooks", column: "secret", id: "id" };
export const WEBHOOK_PREVIOUS_SECRET: SealedColumn = { table: "webhooks", column: "previous_secret", id: "id" };

/** All of them: what is in none of these is not sealed anew when the key changes. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  SIGNING_KEY_SECRET,
  HOST_AUTHORITY_KEY,
  WEBHOOK_URL,
  WEBHOOK_SECRET,
  WEBHOOK_PREVIOUS_SECRET,
];
