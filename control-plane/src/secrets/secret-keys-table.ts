/** Table `secret_keys`. */
export interface SecretKeysTable {
  /** Name of a key, which tells nothing of it. */
  id: string;
}

declare module "../database/tables.ts" {
  interface Tables {
    secret_keys: SecretKeysTable;
  }
}
