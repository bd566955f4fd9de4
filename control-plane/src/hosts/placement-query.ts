import { BUILT_IN_TEAM } from "@warren/contracts/identifiers";
import { sql } from "kysely";
import type { HostAddress } from "./host-client-pool.ts";

/** What a sandbox needs of the host that it is to run on. */
export interface Demand {
  teamId: string;
  memoryMb: number;
  /** Tags that the host must have, all of them. */
  tags?: readonly string[];
  /** UUIDs of the hosts that have what the sandbox is made of, and what that is in words; absent: all have it. */
  holders?: { hostIds: readonly string[]; what: string } | undefined;
  /** UUIDs of hosts that have refused this sandbox, of which the last one has its reservation. */
  refusedBy?: readonly string[];
}

/** Which host is taken first of those that will do. */
const ORDERS = {
  /** The one of whose room the smallest part is taken. */
  "least-loaded": sql`load.load, load.turn`,
  /** Each in its turn, one round for all control planes together. */
  "round-robin": sql`load.turn, load.host_id`,
};
export type PlacementOrder = keyof typeof ORDERS;
export const PLACEMENT_ORDERS = Object.keys(ORDERS) as PlacementOrder[];

/** How a host is searched for. */
export interface Search {
  /**
   * `free`: pass over hosts on which another sandbox is being placed at this moment; `busy`: wait for these, by their ids, since a
   * host stays locked that has filled up meanwhile, so that two who wait in other orders might wait for each other.
   */
  among: "free" | "busy";
  /** UUIDs of hosts that are not taken. */
  without: readonly string[];
}

/** The statement that reserves a host. */
export function placementQuery(order: PlacementOrder, demand: Demand, { among, without }: Search) {
  const { teamId, memoryMb, tags = [], holders } = demand;
  // A host that is being deleted is locked for that; waiting for it would be in vain.
  return sql<HostAddress>`
    with chosen as (
      select host.id, host.address, host.registration
      from host_loads as load
      join hosts as host on host.id = load.host_id
      where load.pool = ${poolOf(teamId)}
        and load.sandboxes < load.sandboxes_limit and load.memory_mb + ${memoryMb} <= load.memory_mb_limit
        ${without.length > 0 ? sql`and load.host_id <> all(${without}::uuid[])` : sql``}
        ${holders ? sql`and load.host_id = any(${holders.hostIds}::uuid[])` : sql``}
        ${tags.length > 0 ? sql`and ${hasTags(tags)}` : sql``}
      order by ${among === "free" ? ORDERS[order] : sql`load.host_id`}
      limit 1
      for key share of host skip locked
      for no key update of load ${among === "free" ? sql`skip locked` : sql``}
    )
    update host_loads as load set turn = nextval('sandbox_placements')
    from chosen where load.host_id = chosen.id
    returning chosen.id, chosen.address, chosen.registration
  `;
}

/** Whose hosts a team's sandboxes run on: a team that brings its own uses only those, the others share the regular ones. */
export function poolOf(teamId: string) {
  return sql`(select case when is_byoc then id else ${BUILT_IN_TEAM}::uuid end from teams where id = ${teamId})`;
}

/** Whether the host of a load has all of these tags. */
export function hasTags(tags: readonly string[]) {
  const wanted = [...new Set(tags)];
  return sql<boolean>`load.host_id in (
    select host_id from host_tags where tag = any(${wanted}::text[]) group by host_id having count(*) = ${wanted.length}
  )`;
}
