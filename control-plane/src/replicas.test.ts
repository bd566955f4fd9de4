import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { parseConfig } from "./config.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { createDatabase, type TestDatabase } from "./database/testing/test-database.ts";
import { HostAgentDouble } from "./hosts/testing/host-agent-double.ts";
import { createLogger } from "./logging.ts";

/** What control planes on one database share beside it. */
const SECRET_KEY = randomBytes(32).toString("base64");

let database: TestDatabase;
let host: HostAgentDouble;
let planes: ControlPlane[];
let directories: string[];
let apiKey: string;

beforeAll(async () => {
  database = await createDatabase();
  host = await HostAgentDouble.start();
  directories = [database.config.dataDir, await mkdtemp(join(tmpdir(), "warren-second-"))];
  // Both at once: they race for the migrations and for the first team.
  planes = await Promise.all(directories.map((directory) => start(directory)));
  apiKey = await firstKey();
});
afterAll(async () => {
  await Promise.all(planes.map((plane) => plane.close()));
  await host.close();
  await rm(directories[1]!, { recursive: true, force: true });
  await database.remove();
});

/** A control plane on the shared database. */
function start(dataDir: string): Promise<ControlPlane> {
  const config = parseConfig({
    WARREN_LISTEN: "127.0.0.1:0",
    WARREN_LOCAL_HOST: host.address,
    WARREN_SECRET_KEYS: SECRET_KEY,
  });
  return startControlPlane({ ...config, dataDir, databaseUrl: database.config.databaseUrl! }, createLogger("silent"));
}

/** The key that whichever control plane made the first team has left. */
async function firstKey(): Promise<string> {
  const found = await Promise.allSettled(
    directories.map((directory) => readFile(join(directory, "credentials.json"), "utf8")),
  );
  const texts = found.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  expect(texts).toHaveLength(1);
  return JSON.parse(texts[0]!).api_key;
}

/** Calls the first or the second control plane. */
function call(plane: 0 | 1, method: string, path: string, body?: object): Promise<Response> {
  const headers = { "x-api-key": apiKey, ...(body && { "content-type": "application/json" }) };
  return fetch(`${planes[plane]!.url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

const create = async (plane: 0 | 1) => (await (await call(plane, "POST", "/v1/sandboxes", {})).json()) as Sandbox;

const query = async (sql: string) => {
  const client = new pg.Client({ connectionString: database.config.databaseUrl! });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

it("make one team and one key together", async () => {
  expect(await query("select count(*)::int as teams from teams")).toEqual([{ teams: 1 }]);
  expect(await query("select count(*)::int as keys from team_api_keys")).toEqual([{ keys: 1 }]);
});

it("see each other's sandboxes, and may end them", async () => {
  const { id } = await create(0);
  expect(await (await call(1, "GET", `/v1/sandboxes/${id}`)).json()).toMatchObject({ id, status: "running" });
  expect((await call(0, "POST", `/v1/sandboxes/${id}/ping`)).status).toBe(204);
  expect((await call(1, "DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
  expect(host.guests.has(id)).toBe(false);
  // What the first has cached of the sandbox may be old; the host's answer is not.
  expect([404, 409]).toContain((await call(0, "POST", `/v1/sandboxes/${id}/ping`)).status);
});

it("have one of each between them: host monitor, keeper of leases, deletions of templates, samplers of stats and metrics, sender of webhooks, retention of the audit log, of deliveries and of what is over", async () => {
  // Other tests have databases of their own on the same server.
  const locks = () =>
    query(
      `select count(*) filter (where granted)::int as held from pg_locks
     where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
    );
  await expect.poll(locks).toEqual([{ held: 9 }]);
});

it("need at most one round trip to the database for a call in the steady state", async () => {
  const { id } = await create(0);
  const calls: [string, string, object | undefined][] = [
    ["GET", `/v1/sandboxes/${id}`, undefined],
    ["GET", "/v1/sandboxes", undefined],
    ["POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" }],
    ["POST", `/v1/sandboxes/${id}/ping`, undefined],
  ];
  const queries = vi.spyOn(pg.Client.prototype, "query");
  try {
    for (const [method, path, body] of calls) {
      let least = Number.POSITIVE_INFINITY;
      // Caches expire, and others ask the database now and then: the steady state is the least of some calls.
      for (let turn = 0; turn < 40 && least > 1; turn++) {
        queries.mockClear();
        expect((await call(0, method, path, body)).status).toBeLessThan(300);
        least = Math.min(least, queries.mock.calls.length);
      }
      expect({ path, least }).toEqual({ path, least: expect.toSatisfy((count: number) => count <= 1) });
    }
  } finally {
    queries.mockRestore();
  }
});
