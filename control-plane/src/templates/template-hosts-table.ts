import type { ColumnType, Generated } from "kysely";

/** Table `template_hosts`. */
export interface TemplateHostsTable {
  template_id: string;
  host_id: string;
  noted_at: Generated<Date>;
}

/** Table `template_deletions`. */
export interface TemplateDeletionsTable {
  host_id: string;
  team_id: string;
  name: string;
  /** Empty = whatever the host has under the name. */
  snapshot_id: Generated<string>;
  created_at: Generated<Date>;
  /** When the host said that it is gone. */
  confirmed_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

declare module "../database/tables.ts" {
  interface Tables {
    template_hosts: TemplateHostsTable;
    template_deletions: TemplateDeletionsTable;
  }
}
