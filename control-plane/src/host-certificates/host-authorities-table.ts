import type { Generated } from "kysely";

/** Table `host_authorities`: who signs the certificates of hosts and control planes. */
export interface HostAuthoritiesTable {
  id: string;
  /** PEM. */
  certificate: string;
  /** PEM, sealed. */
  private_key: string;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    host_authorities: HostAuthoritiesTable;
  }
}
