import { randomBytes } from "node:crypto";
import pg from "pg";
import { ControlPlane } from "./measure/control-plane.ts";
import { type LoadResult, load } from "./measure/load.ts";
import { PostgresServer } from "./measure/postgres-server.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { median } from "./measure/statistics.ts";

/** Sandboxes of the team: what one list shows. */
const SANDBOXES = 50;
const ROUNDS = 7;
const LOAD = { connections: 16, seconds: 3 };
const GOAL = 0.5;

/** Requests per second of authenticated calls with PostgreSQL, against the same process answering `/health`. */
export async function api(write: boolean): Promise<void> {
  const postgres = await PostgresServer.start();
  try {
    const controlPlane = await ControlPlane.start(postgres.url);
    const database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    try {
      const figures = await measure(controlPlane, database);
      await publishReport("api", formatReport(figures, "none (no microVM)"), write);
    } finally {
      await database.end();
      await controlPlane.close();
    }
  } finally {
    await postgres.close();
  }
}

async function measure({ url, apiKey }: ControlPlane, database: pg.Client): Promise<Figure[]> {
  const ids = await insertSandboxes(database);
  await database.query("create extension pg_stat_statements");
  const headers = { "x-api-key": apiKey };
  const targets = {
    health: { url, paths: ["/health"], headers: {} },
    get: { url, paths: ids.map((id) => `/v1/sandboxes/${id}`), headers },
    list: { url, paths: ["/v1/sandboxes"], headers },
  };
  const results: Record<keyof typeof targets, LoadResult[]> = { health: [], get: [], list: [] };
  const statements: Record<keyof typeof targets, number[]> = { health: [], get: [], list: [] };
  for (const target of Object.values(targets)) await load({ ...target, ...LOAD });
  // In turn, so that what else the machine does concerns all of them alike.
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of Object.keys(targets) as (keyof typeof targets)[]) {
      const before = await countStatements(database);
      const result = await load({ ...targets[name], ...LOAD });
      statements[name].push(((await countStatements(database)) - before) / result.requests);
      results[name].push(result);
    }
  }
  const ratios = (name: "get" | "list") =>
    results[name].map((result, round) => result.requestsPerSecond / results.health[round]!.requestsPerSecond);
  return [
    figure("`GET /health`", results.health),
    against("`GET /v1/sandboxes/{id}`", results.get, ratios("get")),
    against(`\`GET /v1/sandboxes\`, ${SANDBOXES} of them`, results.list, ratios("list")),
    ...(["get", "list"] as const).map((name) => roundTrips(name, statements[name])),
  ];
}

function figure(name: string, results: LoadResult[]): Figure {
  const rate = median(results.map(({ requestsPerSecond }) => requestsPerSecond));
  const [p50, p99] = [median(results.map((result) => result.p50)), median(results.map((result) => result.p99))];
  return { name, value: `${rate.toFixed(0)} requests/s (p50 ${p50} ms, p99 ${p99} ms, ${LOAD.connections} at once)` };
}

function against(name: string, results: LoadResult[], ratios: number[]): Figure {
  const ratio = median(ratios);
  return {
    ...figure(name, results),
    against: `${ratio.toFixed(2)}x of \`/health\``,
    goal: `≥ ${GOAL}x`,
    met: ratio >= GOAL,
  };
}

/** Calls that come at once share statements; besides there is one per second and credential, and one per 5 s. */
function roundTrips(name: string, perCall: number[]): Figure {
  const value = median(perCall);
  return { name: `database round trips per \`${name}\``, value: value.toFixed(3), goal: "≤ 1", met: value <= 1 };
}

/** Statements that other connections have run so far. */
async function countStatements(database: pg.Client): Promise<number> {
  const { rows } = await database.query(
    "select coalesce(sum(calls), 0)::integer as calls from pg_stat_statements where query not like '%pg_stat_statements%'",
  );
  return rows[0].calls;
}

/** Running sandboxes of the only team, as creations leave them; returns their ids. */
async function insertSandboxes(database: pg.Client): Promise<string[]> {
  const ids = Array.from({ length: SANDBOXES }, newId);
  await database.query(
    `insert into sandboxes (id, team_id, status, host_ip, started_at, last_active_at)
     select id, (select id from teams), 'running', '10.11.0.1', now(), now() from unnest($1::text[]) as id`,
    [ids],
  );
  return ids;
}

function newId(): string {
  return `sb${Array.from(randomBytes(20), (byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte % 32]).join("")}`;
}
