import type { QuotaResource } from "@warren/contracts/rest/quotas";

/** Table `team_quotas`: limits of teams that differ from the server's defaults; null = the default. */
export type TeamQuotasTable = { team_id: string } & Record<QuotaResource, number | null>;

declare module "../database/tables.ts" {
  interface Tables {
    team_quotas: TeamQuotasTable;
  }
}
