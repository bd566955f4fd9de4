import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import pg from "pg";

/** How much there is of each. */
export interface FleetSize {
  hosts: number;
  /** Sandboxes of each host, all of which run. */
  sandboxesPerHost: number;
}

/**
 * Fills a migrated database with a team, hosts that are online and sandboxes that run on them. The address of host number N from 1
 * on is `addressOf(N)`; its sandboxes have the ids that `fleetSandboxId` gives.
 */
export async function populateFleet(
  databaseUrl: string,
  { hosts, sandboxesPerHost }: FleetSize,
  addressOf: (host: number) => string,
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const numbers = Array.from({ length: hosts }, (_, index) => index + 1);
  const spec = JSON.stringify({ version: 1, ...DEFAULT_SPEC });
  try {
    await client.query("insert into teams (id, name, slug) values ($1, 'Fleet', 'fleet')", [FLEET_TEAM]);
    await client.query(
      `insert into hosts (id, address, status, last_heartbeat_at, arch)
       select ${HOST_ID}, address, 'online', now(), 'amd64' from unnest($1::int[], $2::text[]) as host (n, address)`,
      [numbers, numbers.map(addressOf)],
    );
    await client.query(
      `insert into sandboxes (id, team_id, host_id, spec, status, started_at)
       select 'sb' || translate(lpad(n::text, 10, '0') || lpad(m::text, 10, '0'), '0189', 'abcd'), $1, ${HOST_ID}, $2::jsonb, 'running', now()
       from generate_series(1, $3::int) as n, generate_series(1, $4::int) as m`,
      [FLEET_TEAM, spec, hosts, sandboxesPerHost],
    );
    await client.query("analyze hosts; analyze sandboxes");
  } finally {
    await client.end();
  }
}

/** UUID of the team that has all sandboxes of the fleet. */
export const FLEET_TEAM = "00000000-0000-4000-8000-000000f1ee70";

const HOST_ID = "('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid";

/** Id of sandbox number M of host number N, both from 1 on. */
export function fleetSandboxId(host: number, sandbox: number): string {
  const digits = [host, sandbox].map((number) => String(number).padStart(10, "0")).join("");
  return `sb${digits.replace(/[0189]/g, (digit) => "abcd"["0189".indexOf(digit)]!)}`;
}
