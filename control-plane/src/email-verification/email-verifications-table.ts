/** Table `email_verifications`. */
export interface EmailVerificationsTable {
  /** SHA-256 of the token, in hex. */
  token_hash: string;
  user_id: string;
  email: string;
  expires_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    email_verifications: EmailVerificationsTable;
  }
}
