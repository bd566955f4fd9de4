import type { Kysely } from "kysely";
import type { ApiKeysTable } from "../api-keys/api-keys-table.ts";
import type { HostsTable } from "../hosts/hosts-table.ts";
import type { SandboxesTable } from "../sandboxes/sandboxes-table.ts";
import type { TeamsTable } from "../teams/teams-table.ts";
import type { TemplatesTable } from "../templates/templates-table.ts";

/** All tables; each feature describes its own. */
export interface Tables {
  teams: TeamsTable;
  team_api_keys: ApiKeysTable;
  templates: TemplatesTable;
  hosts: HostsTable;
  sandboxes: SandboxesTable;
}

/** Query builder over the database. */
export type Db = Kysely<Tables>;
