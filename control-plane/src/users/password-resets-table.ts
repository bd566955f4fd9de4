/** Table `password_resets`: a row for each link of a mail. */
export interface PasswordResetsTable {
  /** SHA-256 of the token, in hex. */
  token_hash: string;
  user_id: string;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    password_resets: PasswordResetsTable;
  }
}
