import type { SandboxMetrics, TeamMetrics } from "@warren/contracts/rest/metrics";
import { newSandboxId } from "@warren/server/sandbox-id";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabase, testDatabase } from "../database/testing/test-database.ts";
import { Person, startAccountStack } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

const database = testDatabase();
const CONFIG = { config: { metricsIntervalMs: 100 } };
let stack: TestStack;
let client: pg.Client;
beforeAll(async () => {
  stack = await startAccountStack(database(), CONFIG);
  client = new pg.Client(database().config.databaseUrl);
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await stack?.close();
});

const get = async <T>(path: string) => (await (await stack.call("GET", path)).json()) as T;
const seriesOf = async (id: string, range = "5m") =>
  (await get<SandboxMetrics>(`/v1/sandboxes/${id}/metrics?range=${range}`)).series;

/** A point of the second in which it is made, of half a second. */
const point = (
  sandboxId: string,
  fields: { cpuUs?: bigint; memoryBytes?: bigint; txBytes?: bigint; ago?: number } = {},
) => {
  const { ago = 0, ...rest } = fields;
  const atUnixMs = BigInt(Date.now() - ago);
  return { sandboxId, atUnixMs, spanMs: 500n, vmmMemoryBytes: 2n ** 20n, diskBytes: 4096n, ...rest };
};

test("what a host has measured is in the series of the sandbox, in all ranges and whatever became of the sandbox", async () => {
  const { id } = await stack.createSandbox();
  stack.host.metrics.add(
    point(id, { cpuUs: 250_000n, memoryBytes: 3n * 2n ** 20n, txBytes: 1000n }),
    point(id, { ago: 30_000, cpuUs: 1_000_000n }),
  );
  await expect.poll(async () => (await seriesOf(id)).labels.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  const series = await seriesOf(id);
  expect(series.cpu_percent[0]).toBe(200);
  expect(series.cpu_percent.at(-1)).toBe(50);
  expect(series.memory_mb[0]).toBeNull();
  expect(series.memory_mb.at(-1)).toBe(3);
  expect(series.vmm_memory_mb.at(-1)).toBe(1);
  expect(series.disk_bytes.at(-1)).toBe(4096);
  expect(series.tx_bytes_per_s.at(-1)).toBe(2000);
  expect(series.labels.every((label) => Date.parse(label) % 10_000 === 0)).toBe(true);
  await stack.call("DELETE", `/v1/sandboxes/${id}`);
  for (const range of ["1h", "6h", "24h", "30d"]) {
    const { labels, ...values } = await seriesOf(id, range);
    expect(labels.length).toBeGreaterThan(0);
    for (const list of Object.values(values)) expect(list.length).toBe(labels.length);
  }
});

test("all live sandboxes of the team come in one answer, and none of another team", async () => {
  const ids = [(await stack.createSandbox()).id, (await stack.createSandbox()).id];
  const stranger = await Person.signUp(stack);
  const foreign = (await (await stranger.call("POST", "/v1/sandboxes", {})).json()) as { id: string };
  stack.host.metrics.add(...[...ids, foreign.id].map((id) => point(id, { cpuUs: 100_000n })));
  const listed = async () =>
    (await get<TeamMetrics>("/v1/sandboxes/metrics")).sandboxes.map(({ sandbox_id: id }) => id).sort();
  await expect.poll(listed, { timeout: 20_000 }).toEqual([...ids].sort());
  const { range, sandboxes } = await get<TeamMetrics>("/v1/sandboxes/metrics?range=1h");
  expect(range).toBe("1h");
  expect(sandboxes[0]?.series.cpu_percent.some((percent) => percent === 20)).toBe(true);
  expect((await stack.call("GET", `/v1/sandboxes/${foreign.id}/metrics`)).status).toBe(404);
  await Promise.all(ids.map((id) => stack.call("DELETE", `/v1/sandboxes/${id}`)));
});

test("what is not known of a query, or no sandbox of the team, is refused with its name", async () => {
  const { id } = await stack.createSandbox();
  for (const path of [`/v1/sandboxes/${id}/metrics`, "/v1/sandboxes/metrics"]) {
    expect(await errorOf(await stack.call("GET", `${path}?range=2h`))).toMatchObject({
      status: 400,
      message: expect.stringContaining("range"),
    });
    expect(await errorOf(await stack.call("GET", `${path}?step=5`))).toMatchObject({
      status: 400,
      message: expect.stringContaining("step"),
    });
  }
  expect(await errorOf(await stack.call("GET", `/v1/sandboxes/${newSandboxId()}/metrics`))).toMatchObject({
    status: 404,
  });
  await stack.call("DELETE", `/v1/sandboxes/${id}`);
});

test("what is given again, or of sandboxes that the host does not have, counts nothing", async () => {
  const { id } = await stack.createSandbox();
  const { metrics } = stack.host;
  const spans = async (sandbox: string) => {
    const { rows } = await client.query(
      "select sum(span_ms)::float8 as ms from sandbox_metric_points where sandbox_id = $1 and width_sec = 21600",
      [sandbox],
    );
    return rows[0].ms;
  };
  metrics.answerSize = 1;
  metrics.add(point(id), point(id, { ago: 1000 }), point(id, { ago: 2000 }));
  await expect.poll(() => spans(id), { timeout: 20_000 }).toBe(1500);
  metrics.answerSize = 1000;
  const before = metrics.collected;
  await expect.poll(() => metrics.collected, { timeout: 20_000 }).toBeGreaterThan(before + 2);
  const unknown = newSandboxId();
  metrics.add(point(unknown), point(id));
  await expect.poll(() => spans(id), { timeout: 20_000 }).toBe(2000);
  expect(await spans(unknown)).toBeNull();
  await stack.call("DELETE", `/v1/sandboxes/${id}`);
});

test("there are partitions for what comes, and what came is in them", async () => {
  const { rows } = await client.query(
    `select inhparent::regclass::text as parent, count(*)::integer as partitions,
       min(pg_get_expr(relpartbound, pg_class.oid)) filter (where relname not like '%_default') as first
     from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent::regclass::text like 'sandbox_metric_points_%' or inhparent::regclass::text = 'sandbox_usage'
     group by 1`,
  );
  const found = new Map(rows.map(({ parent, partitions }) => [parent, partitions]));
  // Three days ahead, and the default one.
  expect(found.get("sandbox_metric_points_10s")).toBeGreaterThanOrEqual(13);
  expect(found.get("sandbox_metric_points_1m")).toBeGreaterThanOrEqual(4);
  expect(found.get("sandbox_metric_points_12m")).toBeGreaterThanOrEqual(4);
  for (const table of ["sandbox_metric_points_6h", "sandbox_usage"]) expect(found.get(table)).toBeGreaterThanOrEqual(2);
  const { id } = await stack.createSandbox();
  stack.host.metrics.add(point(id));
  await expect.poll(async () => (await seriesOf(id)).labels.length, { timeout: 20_000 }).toBeGreaterThan(0);
  for (const name of ["10s", "1m", "12m", "6h"]) {
    const left = await client.query(`select from sandbox_metric_points_${name}_default where sandbox_id = $1`, [id]);
    expect(left.rowCount).toBe(0);
  }
  await stack.call("DELETE", `/v1/sandboxes/${id}`);
});

test("what a host that could not be reached has measured comes when it is back, and to whichever control plane", async () => {
  const { id } = await stack.createSandbox();
  await stack.host.hangUp();
  stack.host.metrics.add(point(id, { ago: 60_000, cpuUs: 100_000n }));
  await stack.controlPlane.close();
  await stack.host.listen();
  const local = { ...CONFIG.config, localHost: stack.host.address };
  const second = await TestStack.start(database(), { config: local });
  try {
    const call = () =>
      fetch(`${second.url}/v1/sandboxes/${id}/metrics?range=5m`, { headers: { "x-api-key": second.apiKey } });
    await expect
      .poll(async () => ((await (await call()).json()) as SandboxMetrics).series?.cpu_percent[0], { timeout: 20_000 })
      .toBe(20);
  } finally {
    await second.close();
  }
});

test("a control plane ends at once though a host does not answer what was used", async () => {
  const itsDatabase = await createDatabase();
  const other = await TestStack.start(itsDatabase, CONFIG);
  try {
    const asked = Promise.withResolvers<void>();
    other.host.metrics.collect = () => {
      asked.resolve();
      return new Promise<never>(() => undefined) as never;
    };
    await asked.promise;
    const begin = performance.now();
    await other.controlPlane.close();
    // A call of a host has 10 seconds.
    expect(performance.now() - begin).toBeLessThan(6_000);
  } finally {
    await other.close();
    await itsDatabase.remove();
  }
});
