import type { TeamRole } from "@warren/contracts/rest/accounts";
import { sql } from "kysely";
import { LIVE } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";

/** A live team of somebody who wants to leave all of theirs, and what is in it. */
export interface LeavingTeamRow {
  id: string;
  name: string;
  slug: string;
  role: TeamRole;
  other_members: number;
  sandboxes: number;
  templates: number;
  api_keys: number;
}

/** Reads what the end of an account concerns. */
export class LeavingStore {
  /** The live teams of a user in the order of joining. */
  async teamsOf(userId: string, db: Db): Promise<LeavingTeamRow[]> {
    const { rows } = await sql<LeavingTeamRow>`
      select team.id, team.name, team.slug, membership.role,
        (select count(*) from users_teams as other where other.team_id = team.id and other.user_id <> ${userId})
          as other_members,
        (select count(*) from sandboxes where team_id = team.id and ${LIVE}) as sandboxes,
        (select count(*) from templates where team_id = team.id) as templates,
        (select count(*) from team_api_keys where team_id = team.id) as api_keys
      from users_teams as membership
      join teams as team on team.id = membership.team_id
      where membership.user_id = ${userId} and team.deleted_at is null
      order by membership.created_at, team.id
    `.execute(db);
    return rows;
  }
}
