import type { TeamUsage } from "@warren/contracts/rest/usage";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { usageCsv } from "./usage-csv.ts";
import { dayOf, daysOf, isDay, periodOf } from "./usage-period.ts";

const database = testDatabase();
const DAY_MS = 86_400_000;
let stack: TestStack;
let client: pg.Client;
let person: Person;
beforeAll(async () => {
  stack = await startAccountStack(database(), { config: { metricsIntervalMs: 100 } });
  client = new pg.Client(database().config.databaseUrl);
  await client.connect();
});
beforeEach(async () => {
  person = await Person.signUp(stack);
});
afterAll(async () => {
  await client?.end();
  await stack?.close();
});

const create = async (owner = person, request: object = {}) =>
  (await (await owner.call("POST", "/v1/sandboxes", request)).json()) as { id: string };
const usageOf = (query = "", owner = person) => owner.get<TeamUsage>(`/v1/usage${query}`);
const today = () => dayOf(Date.now());
/** What a host says that a sandbox has used in a day until now: minutes of processor time, and what else is given. */
const count = (sandboxId: string, day: string, cpuMinutes: number, more: { egressBytes?: bigint } = {}) =>
  stack.host.metrics.count({
    sandboxId,
    teamId: "",
    day,
    cpuUs: BigInt(cpuMinutes * 60e6),
    memoryMbMs: BigInt(512 * cpuMinutes * 60e3),
    diskMbMs: BigInt(1024 * cpuMinutes * 60e3),
    ...more,
  });
/** Resolves when the control plane has taken what the host had to say. */
const taken = async () => {
  const { metrics } = stack.host;
  const before = metrics.collected;
  await expect.poll(() => metrics.collected, { timeout: 20_000 }).toBeGreaterThan(before + 2);
};

test("what sandboxes have used adds up by the day, in the units of the API, and every day is told", async () => {
  const [one, other] = [await create(), await create()];
  const [before, day] = [dayOf(Date.now() - DAY_MS), today()];
  count(one.id, before, 5);
  count(one.id, day, 2, { egressBytes: 1000n });
  count(other.id, day, 3, { egressBytes: 234n });
  await expect.poll(async () => (await usageOf(`?from=${before}`)).total.cpu_minutes, { timeout: 20_000 }).toBe(10);
  const usage = await usageOf(`?from=${dayOf(Date.now() - 2 * DAY_MS)}&to=${day}`);
  expect(usage.days).toEqual([
    { day: dayOf(Date.now() - 2 * DAY_MS), cpu_minutes: 0, memory_mb_minutes: 0, disk_gb_hours: 0, egress_bytes: 0 },
    { day: before, cpu_minutes: 5, memory_mb_minutes: 2560, disk_gb_hours: 0.0833, egress_bytes: 0 },
    { day, cpu_minutes: 5, memory_mb_minutes: 2560, disk_gb_hours: 0.0833, egress_bytes: 1234 },
  ]);
  expect((await usageOf(`?from=${day}`)).total.cpu_minutes).toBe(5);
  const stranger = await Person.signUp(stack);
  expect((await usageOf("", stranger)).total.cpu_minutes).toBe(0);
});

test("what is said again, or less than before, counts nothing; what a host counts anew after a loss does", async () => {
  const { id } = await create();
  const { metrics } = stack.host;
  count(id, today(), 4);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(4);
  count(id, today(), 4);
  await taken();
  count(id, today(), 3);
  await taken();
  expect((await usageOf()).total.cpu_minutes).toBe(4);
  count(id, today(), 6);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(6);
  metrics.ledger = `ledger-after-${id}`;
  count(id, today(), 1);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(7);
});

test("a host that was away for days is counted when it is back, each day by its own", async () => {
  const { id } = await create();
  await stack.host.hangUp();
  const days = [3, 2, 1, 0].map((ago) => dayOf(Date.now() - ago * DAY_MS));
  for (const [index, day] of days.entries()) count(id, day, index + 1);
  await stack.host.listen();
  await expect
    .poll(async () => (await usageOf(`?from=${days[0]}`)).days.map(({ cpu_minutes: minutes }) => minutes), {
      timeout: 30_000,
    })
    .toEqual([1, 2, 3, 4]);
});

test("what a host says of other hosts' sandboxes, or of days that are none of its time, counts nothing", async () => {
  const { id } = await create();
  const foreign = await create();
  await client.query("update sandboxes set host_id = null where id = $1", [foreign.id]);
  count(foreign.id, today(), 7);
  for (const day of ["2026-02-30", "yesterday", "0001-01-01", dayOf(Date.now() + 5 * DAY_MS), ""]) count(id, day, 8);
  count(id, today(), 1);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(1);
});

test("a host that names a day twice, and sandboxes that no text of the database can name, is counted on", async () => {
  const { id } = await create();
  const said = (cpuMinutes: number) => ({ sandboxId: id, teamId: "", day: today(), cpuUs: BigInt(cpuMinutes * 60e6) });
  stack.host.metrics.count(said(5), "once");
  stack.host.metrics.count(said(3), "twice");
  const atUnixMs = BigInt(Date.now());
  stack.host.metrics.add({ sandboxId: "sb\0", atUnixMs, spanMs: 500n });
  stack.host.metrics.count({ ...said(1), sandboxId: "sb\0" });
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(5);
  count(id, today(), 6);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(6);
});

test("a team of which more was said than there are numbers for keeps no other from being counted", async () => {
  const stranger = await Person.signUp(stack);
  const [mine, theirs] = [await create(), await create(stranger)];
  count(mine.id, today(), 1);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(1);
  const most = "update daily_usage set cpu_us = 9223372036854775807 where team_id = $1";
  await client.query(most, [fromWireId("team", person.teamId)]);
  count(mine.id, today(), 2);
  count(theirs.id, today(), 3);
  await expect.poll(async () => (await usageOf("", stranger)).total.cpu_minutes, { timeout: 20_000 }).toBe(3);
});

test("a host that names what it counts in anew again and again is believed for some of it, and its names are bounded", async () => {
  const { id } = await create();
  const { metrics } = stack.host;
  const ledger = metrics.ledger;
  count(id, today(), 1);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(1);
  for (let turn = 0; turn < 20; turn++) {
    metrics.ledger = `${id}-${turn}`;
    await taken();
  }
  const { rows } = await client.query("select ledger from sandbox_usage where sandbox_id = $1", [id]);
  expect(rows).toHaveLength(16);
  expect((await usageOf()).total.cpu_minutes).toBe(16);
  for (const odd of ["x".repeat(1_000_000), "a\0b", ""]) {
    metrics.ledger = odd;
    await taken();
  }
  const kept = await client.query("select max(length(ledger)) as length from metric_collections");
  expect(kept.rows[0].length).toBeLessThanOrEqual(64);
  metrics.ledger = ledger;
  count(id, today(), 2);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(17);
}, 120_000);

test("sandboxes and templates are told apart where that is asked for, the hungriest first", async () => {
  const [one, other] = [await create(person, { name: "small" }), await create(person, { template: "node" })];
  count(one.id, today(), 1);
  count(other.id, today(), 2);
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(3);
  // They are told when they are over, too.
  await person.call("DELETE", `/v1/sandboxes/${one.id}`);
  const { sandboxes } = await usageOf("?group_by=sandbox");
  expect(sandboxes).toMatchObject([
    { sandbox_id: other.id, template: "node", cpu_minutes: 2 },
    { sandbox_id: one.id, name: "small", template: "minimal", cpu_minutes: 1 },
  ]);
  const { templates } = await usageOf("?group_by=template");
  expect(templates).toMatchObject([
    { template: "node", cpu_minutes: 2 },
    { template: "minimal", cpu_minutes: 1 },
  ]);
});

test("comes as CSV, as a file", async () => {
  const { id } = await create();
  count(id, today(), 1.5, { egressBytes: 9n });
  await expect.poll(async () => (await usageOf()).total.cpu_minutes, { timeout: 20_000 }).toBe(1.5);
  const answer = await person.call("GET", `/v1/usage?from=${today()}&format=csv`);
  expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect(answer.headers.get("content-disposition")).toBe(`attachment; filename="usage-${today()}-${today()}.csv"`);
  expect(await answer.text()).toBe(
    `day,cpu_minutes,memory_mb_minutes,disk_gb_hours,egress_bytes\r\n${today()},1.5,768,0.025,9\r\n`,
  );
  const bySandbox = await (await person.call("GET", "/v1/usage?group_by=sandbox&format=csv")).text();
  expect(bySandbox.split("\r\n")[1]).toBe(`${id},,minimal,1.5,768,0.025,9`);
});

test.each([
  ["from=2026-02-30", "from"],
  ["from=yesterday", "from"],
  ["to=2026-13-01", "to"],
  ["to=1969-12-31", "to"],
  ["from=2026-02-02&to=2026-02-01", "from"],
  ["from=2025-01-01&to=2026-06-01", "from"],
  ["format=xml", "format"],
  ["group_by=user", "group_by"],
  ["until=2026-01-01", "until"],
  ["from=2026-01-01&from=2026-01-02", "from"],
])("refuses %s and names the field", async (query, field) => {
  const answer = await errorOf(await person.call("GET", `/v1/usage?${query}`));
  expect(answer).toMatchObject({ status: 400, message: expect.stringContaining(`querystring/${field}`) });
});

test("whatever is given as a day is one, or is refused with its name", () => {
  const text = fc.oneof(
    fc.string(),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10)),
  );
  fc.assert(
    fc.property(text, text, (from, to) => {
      try {
        const period = periodOf({ from, to }, Date.now());
        expect(isDay(period.from) && isDay(period.to) && period.from <= period.to).toBe(true);
        expect(daysOf(period).length).toBeLessThanOrEqual(366);
      } catch (error) {
        expect((error as Error).message).toMatch(/^querystring\/(from|to) /);
      }
    }),
    { seed: 10, numRuns: 500 },
  );
  expect(periodOf({}, Date.UTC(2026, 0, 5))).toEqual({ from: "2026-01-01", to: "2026-01-05" });
});

test("a cell of CSV keeps what it holds", () => {
  const amounts = { cpu_minutes: 0, memory_mb_minutes: 0, disk_gb_hours: 0, egress_bytes: 0 };
  const usage = { from: "", to: "", total: amounts, days: [], templates: [{ template: 'a "b", c', ...amounts }] };
  expect(usageCsv(usage).split("\r\n")[1]).toBe('"a ""b"", c",0,0,0,0');
});
