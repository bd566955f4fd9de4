import type { TeamRole } from "@warren/contracts/rest/accounts";
import type { Generated } from "kysely";

/** Table `users_teams`. */
export interface MembershipsTable {
  user_id: string;
  team_id: string;
  /** Whether the user signs in to this team first; true at most once per user. */
  is_default: Generated<boolean>;
  role: TeamRole;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    users_teams: MembershipsTable;
  }
}
