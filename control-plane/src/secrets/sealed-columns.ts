/** A column of the database whose texts are sealed. */
export interface SealedColumn {
  table: string;
  column: string;
  /** Column that names a row. */
  id: string;
}

export const SIGNING_KEY_SECRET: SealedColumn = { table: "signing_keys", column: "secret", id: "kid" };

/** All of them: what is in none of these is not sealed anew when the key changes. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [SIGNING_KEY_SECRET];
