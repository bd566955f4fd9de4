import type { Generated } from "kysely";

/** Table `users`. */
export interface UsersTable {
  id: string;
  /** Trimmed and in lower case. */
  email: string;
  name: Generated<string>;
  /** Argon2id in PHC format; null = the account signs in through a provider only. */
  password_hash: string | null;
  /** Administrator of the platform. */
  is_admin: Generated<boolean>;
  /** When it was shown that the address is the user's, by a provider or a mail; null = never. */
  email_verified_at: Date | null;
  /** Since when an administrator has shut the user out; null = not at all. */
  deactivated_at: Date | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    users: UsersTable;
  }
}
