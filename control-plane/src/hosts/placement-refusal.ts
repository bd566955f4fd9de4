import { WarrenError } from "@warren/contracts/errors";
import { BUILT_IN_TEAM } from "@warren/contracts/identifiers";
import type { HostStatus } from "@warren/contracts/rest/hosts";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { type Demand, hasTags, poolOf } from "./placement-query.ts";

/** Hosts that were not taken and are alike. */
interface Candidates {
  status: HostStatus;
  is_holder: boolean;
  is_tagged: boolean;
  count: number;
}

/** Why no host was found for a sandbox, in words of which somebody can make something. */
export async function refusedPlacement(demand: Demand, db: Db): Promise<WarrenError> {
  const { tags = [], holders } = demand;
  const unknown = await unknownTag(tags, demand.teamId, db);
  if (unknown !== undefined) {
    const message = `body/host_tags: no host that the team may use has the tag "${unknown}"`;
    return new WarrenError("not_found", message);
  }
  const candidates = await hostsOf(demand, db);
  const holding = candidates.filter(({ is_holder }) => is_holder);
  if (holders && !holding.some(({ status }) => status === "online")) {
    const isResting = holding.some(({ status }) => status === "draining" || status === "offline");
    const state = isResting ? "takes new sandboxes: its operator takes it out of service" : "is online";
    return new WarrenError("host_unavailable", `no host that has ${holders.what} ${state}`);
  }
  const fitting = holding.filter(({ is_tagged }) => is_tagged);
  if (tags.length > 0 && fitting.length === 0) {
    const where = holders ? ` that has ${holders.what}` : "";
    return new WarrenError("no_hosts_available", `no host${where} has all of the tags ${tags.join(", ")}`);
  }
  const online = fitting.reduce((sum, { status, count }) => sum + (status === "online" ? count : 0), 0);
  if (online === 0) {
    const which = tags.length > 0 ? `no host with the tags ${tags.join(", ")}` : "no host";
    return new WarrenError("no_hosts_available", `${which} is online for this team; try again shortly`);
  }
  const which = online === 1 ? "the only host that may run it is full" : `all ${online} hosts that may run it are full`;
  return new WarrenError("host_full", `${which}; try again shortly, pause or destroy a sandbox, or add a host`);
}

/** The first of these tags that no host of the team's has, whatever its status. */
async function unknownTag(tags: readonly string[], teamId: string, db: Db): Promise<string | undefined> {
  if (tags.length === 0) return undefined;
  const { rows } = await sql<{ tag: string }>`
    select wanted.tag from unnest(${tags}::text[]) with ordinality as wanted (tag, place)
    where not exists (
      select from host_tags join hosts as host on host.id = host_tags.host_id
      where host_tags.tag = wanted.tag and ${isUsable(teamId)}
    )
    order by wanted.place limit 1
  `.execute(db);
  return rows[0]?.tag;
}

/** The hosts of a team, whatever their status, by what they are like. */
async function hostsOf({ teamId, tags = [], holders }: Demand, db: Db): Promise<Candidates[]> {
  const { rows } = await sql<Candidates>`
    select host.status,
      ${holders ? sql`load.host_id = any(${holders.hostIds}::uuid[])` : sql`true`} as is_holder,
      ${tags.length > 0 ? hasTags(tags) : sql`true`} as is_tagged,
      count(*)::integer as count
    from hosts as host join host_loads as load on load.host_id = host.id
    where ${isUsable(teamId)}
    group by 1, 2, 3
  `.execute(db);
  return rows;
}

/** Whether a host is one of those that a team's sandboxes run on, whatever its status. */
function isUsable(teamId: string) {
  return sql<boolean>`case when ${poolOf(teamId)} = ${BUILT_IN_TEAM}::uuid then host.type = 'regular'
    else host.type = 'byoc' and host.team_id = ${teamId} end`;
}
