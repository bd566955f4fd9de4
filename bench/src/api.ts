import { randomBytes } from "node:crypto";
import pg from "pg";
import { BareServer } from "./measure/bare-server.ts";
import { Checkout } from "./measure/checkout.ts";
import { ControlPlane, withDirectory } from "./measure/control-plane.ts";
import { megabytes, seconds, times } from "./measure/format.ts";
import { type LoadResult, load } from "./measure/load.ts";
import type { BenchOptions } from "./measure/options.ts";
import { PostgresServer } from "./measure/postgres-server.ts";
import { proportionalMemory } from "./measure/processes.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { median, percentile } from "./measure/statistics.ts";

/** Sandboxes of the team: what one list shows. */
const SANDBOXES = 50;
const ROUNDS = 7;
const STARTS = 7;
const LOAD = { connections: 16, seconds: 3 };
const GOALS = {
  health: 0.85,
  get: 0.8,
  list: 0.5,
  getRoundTrips: 0.35,
  listRoundTrips: 1,
  memory: 190e6,
  startMs: 500,
};

/**
 * What a request costs with PostgreSQL: `/health` against a bare server, authenticated calls against `/health`; and what
 * the control plane takes of memory and time to start.
 */
export async function api({ write }: BenchOptions): Promise<void> {
  const checkout = await Checkout.own();
  const postgres = await PostgresServer.start();
  const bare = await BareServer.start();
  try {
    await withDirectory(async (directory) => {
      const controlPlane = await ControlPlane.start(checkout, directory, postgres.url);
      const database = new pg.Client({ connectionString: postgres.url });
      // Whatever ends the bench stops the server as well, and is what is to be told.
      database.on("error", () => undefined);
      await database.connect();
      const underLoad = await measure(bare, controlPlane, database);
      await database.end();
      await controlPlane.stop();
      const starts = await startTimes(checkout, directory, postgres.url);
      await publishReport("api", formatReport([...underLoad, starts], "none (no microVM)"), write);
    });
  } finally {
    await bare.close();
    await postgres.close();
  }
}

async function measure(bare: BareServer, { url, apiKey, pid }: ControlPlane, database: pg.Client): Promise<Figure[]> {
  const ids = await insertSandboxes(database);
  await database.query("create extension pg_stat_statements");
  const headers = { "x-api-key": apiKey };
  const targets = {
    bare: { url: bare.url, paths: ["/health"], headers: {} },
    health: { url, paths: ["/health"], headers: {} },
    get: { url, paths: ids.map((id) => `/v1/sandboxes/${id}`), headers },
    list: { url, paths: ["/v1/sandboxes"], headers },
  };
  type Name = keyof typeof targets;
  const results: Record<Name, LoadResult[]> = { bare: [], health: [], get: [], list: [] };
  const statements: Record<Name, number[]> = { bare: [], health: [], get: [], list: [] };
  const memory: number[] = [];
  for (const target of Object.values(targets)) await load({ ...target, ...LOAD });
  // In turn, so that what else the machine does concerns all of them alike.
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of Object.keys(targets) as Name[]) {
      const before = await countStatements(database);
      const result = await load({ ...targets[name], ...LOAD });
      statements[name].push(((await countStatements(database)) - before) / result.requests);
      results[name].push(result);
      memory.push(proportionalMemory(pid));
    }
  }
  const ratio = (name: Name, base: Name) =>
    median(results[name].map((result, at) => result.requestsPerSecond / results[base][at]!.requestsPerSecond));
  const most = Math.max(...memory);
  return [
    figure("a bare Fastify with one route", results.bare),
    { ...figure("`GET /health`", results.health), ...atLeast(GOALS.health, ratio("health", "bare"), "the bare one") },
    {
      ...figure("`GET /v1/sandboxes/{id}`", results.get),
      ...atLeast(GOALS.get, ratio("get", "health"), "`/health`"),
    },
    {
      ...figure(`\`GET /v1/sandboxes\`, ${SANDBOXES} of them`, results.list),
      ...atLeast(GOALS.list, ratio("list", "health"), "`/health`"),
    },
    roundTrips("get", statements.get, GOALS.getRoundTrips),
    roundTrips("list", statements.list, GOALS.listRoundTrips),
    {
      name: "memory of the control plane under this load (PSS, the most of all rounds)",
      value: megabytes(most),
      goal: `≤ ${megabytes(GOALS.memory)}`,
      met: most <= GOALS.memory,
    },
  ];
}

/** Of the control plane in one file, to its first answer. */
async function startTimes(checkout: Checkout, directory: string, databaseUrl: string): Promise<Figure> {
  const samples: number[] = [];
  while (samples.length < STARTS) {
    const controlPlane = await ControlPlane.start(checkout, directory, databaseUrl);
    samples.push(controlPlane.startMs);
    await controlPlane.stop();
  }
  return {
    name: "start to the first answer of `/health`, the database running",
    value: `${seconds(median(samples))} p50, ${seconds(percentile(samples, 0.95))} p95`,
    goal: `≤ ${seconds(GOALS.startMs)}`,
    met: median(samples) <= GOALS.startMs,
  };
}

function figure(name: string, results: LoadResult[]): Figure {
  const rate = median(results.map(({ requestsPerSecond }) => requestsPerSecond));
  const [p50, p99] = [median(results.map((result) => result.p50)), median(results.map((result) => result.p99))];
  return { name, value: `${rate.toFixed(0)} requests/s (p50 ${p50} ms, p99 ${p99} ms, ${LOAD.connections} at once)` };
}

function atLeast(goal: number, ratio: number, of: string): Pick<Figure, "against" | "goal" | "met"> {
  return { against: `${times(ratio)} of ${of}`, goal: `≥ ${goal}x`, met: ratio >= goal };
}

/** Calls that come at once share statements; besides there is one per second and credential, and one per 5 s. */
function roundTrips(name: string, perCall: number[], goal: number): Figure {
  const value = median(perCall);
  return {
    name: `database round trips per \`${name}\``,
    value: value.toFixed(3),
    goal: `≤ ${goal}`,
    met: value <= goal,
  };
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
    `insert into sandboxes (id, team_id, spec, status, host_ip, started_at, last_active_at)
     select id, (select id from teams), $2::jsonb, 'running', '10.11.0.1', now(), now() from unnest($1::text[]) as id`,
    [ids, { version: 1, template: "minimal", vcpus: 1, memory_mb: 512 }],
  );
  return ids;
}

function newId(): string {
  return `sb${Array.from(randomBytes(20), (byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte % 32]).join("")}`;
}
