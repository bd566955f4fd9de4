import { randomUUID } from "node:crypto";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import fc from "fast-check";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { PartitionUpkeep } from "../database/partition-upkeep.ts";
import { Partitions } from "../database/partitions.ts";
import { FaultyLink } from "../database/testing/faulty-link.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { SnapshotStore } from "./snapshot-store.ts";
import { StatsReads } from "./stats-reads.ts";
import { StatsSampler } from "./stats-sampler.ts";
import { ManualClock } from "./testing/manual-clock.ts";

const log = createLogger("silent");
const SECOND = 1000;
const PERIOD = 10 * SECOND;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 10, 12) + 3 * SECOND;
const SNAPSHOTS = { name: "sandbox_metrics_snapshots", column: "sampled_at", days: 1, keptDays: 60 };
const ROLLUPS = { name: "sandbox_metrics_rollups", column: "bucket_at", days: 10, keptDays: 60 };

describe("the sampler of stats", () => {
  let fixture: TestDatabase;
  let database: Database;
  let clock: ManualClock;
  const ends: (() => Promise<unknown>)[] = [];
  beforeEach(async () => {
    fixture = await createDatabase();
    ends.push(() => fixture.remove());
    database = await openDatabase(fixture.config, log);
    ends.push(() => database.close());
    clock = new ManualClock(START);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** A sampler as a control plane has one, on a connection of its own. */
  async function replica(databaseUrl = fixture.config.databaseUrl) {
    const own = await openDatabase({ databaseUrl }, log);
    ends.push(() => own.close());
    const store = new SnapshotStore(own.db);
    const tables = [new Partitions(own.db, SNAPSHOTS), new Partitions(own.db, ROLLUPS)];
    const partitions = new PartitionUpkeep(tables, log);
    const sampler = new StatsSampler({ store, partitions, leadership: own.leadership, log, clock });
    const sample = vi.spyOn(store, "sample");
    ends.push(() => sampler.close());
    return { sampler, store, sample };
  }

  /** A team with one sandbox, whose status can be set. */
  async function newTeam(status: SandboxStatus) {
    const [id, sandbox] = [randomUUID(), newSandboxId()];
    const slug = id.replace(/^(.{6})(..)-(....).*$/, "$1-$2$3");
    await database.db.insertInto("teams").values({ id, name: "team", slug, deleted_at: null }).execute();
    const spec = JSON.stringify({ ...DEFAULT_SPEC, vcpus: 2, version: 1 });
    await database.db.insertInto("sandboxes").values({ id: sandbox, team_id: id, spec, status }).execute();
    const set = (to: SandboxStatus) =>
      database.db.updateTable("sandboxes").set({ status: to }).where("id", "=", sandbox).execute();
    return { id, set };
  }

  /** What was written of a team: seconds since the start, and virtual CPUs. */
  async function written(teamId: string): Promise<[seconds: number, vcpus: number][]> {
    const { rows } = await sql<{ at: Date; vcpus: number }>`
      select sampled_at as at, vcpus_reserved as vcpus from sandbox_metrics_snapshots
      where team_id = ${teamId} order by sampled_at
    `.execute(database.db);
    return rows.map(({ at, vcpus }) => [(at.getTime() - Math.floor(START / PERIOD) * PERIOD) / SECOND, vcpus]);
  }

  const partitionsOf = async (table: string) => {
    const { rows } = await sql<{ name: string }>`
      select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
      where inhparent = ${table}::regclass order by relname
    `.execute(database.db);
    return rows.map(({ name }) => name.slice(table.length + 1));
  };
  const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10).replaceAll("-", "");

  it("is one of all control planes, and another goes on where that ends: one row of each team in each round", async () => {
    const teams = [await newTeam("running"), await newTeam("running")];
    const [first, second] = [await replica(), await replica()];
    first.sampler.start();
    await clock.idle();
    second.sampler.start();
    for (let round = 0; round < 4; round++) await clock.pass(PERIOD);
    expect([first.sample.mock.calls.length, second.sample.mock.calls.length]).toEqual([5, 0]);
    await first.sampler.close();
    // It begins in the period in which the other has written.
    await clock.idle();
    for (let round = 0; round < 3; round++) await clock.pass(PERIOD);
    expect([first.sample.mock.calls.length, second.sample.mock.calls.length]).toEqual([5, 4]);
    const rows = [0, 10, 20, 30, 40, 50, 60, 70].map((seconds) => [seconds, 2]);
    for (const { id } of teams) expect(await written(id)).toEqual(rows);
  });

  it("writes zeros once for a team that has nothing left, and goes on when it has something again", async () => {
    const team = await newTeam("running");
    const other = await newTeam("running");
    const never = await newTeam("stopped");
    const { sampler } = await replica();
    sampler.start();
    await clock.pass(PERIOD);
    await team.set("stopped");
    for (let round = 0; round < 10; round++) await clock.pass(PERIOD);
    await team.set("paused");
    await clock.pass(PERIOD);
    expect(await written(team.id)).toEqual([
      [0, 2],
      [10, 2],
      [20, 0],
      [120, 1],
    ]);
    expect(await written(other.id)).toHaveLength(13);
    expect(await written(never.id)).toEqual([]);
    const { series } = await new StatsReads(database.db, () => clock.now()).get(team.id, "5m");
    expect(series.vcpus).toEqual([2, 2, ...new Array(10).fill(0), 1]);
  });

  it("leaves out the rounds in which its database is away, and its charts those times", async () => {
    const team = await newTeam("running");
    const link = await FaultyLink.to(fixture.config.databaseUrl);
    const { sampler } = await replica(link.url);
    // Connections that are silent are cut before what uses them ends.
    ends.push(() => link.close());
    sampler.start();
    await clock.pass(PERIOD);
    const asked = link.fallSilent();
    const round = clock.pass(PERIOD);
    await asked;
    link.reset();
    for (let minute = 0; minute < 5; minute++) clock.set(clock.now() + 60 * SECOND);
    link.recover();
    await round;
    await expect.poll(async () => (await written(team.id)).at(-1)).toEqual([320, 2]);
    await clock.idle();
    await clock.pass(PERIOD);
    const seconds = (await written(team.id)).map(([second]) => second);
    expect(seconds.filter((second) => second !== 20)).toEqual([0, 10, 320, 330]);
    const { series } = await new StatsReads(database.db, () => clock.now()).get(team.id, "1h");
    expect(series.labels.length).toBeLessThanOrEqual(2 + 2);
    expect(series.vcpus).not.toContain(0);
  });

  it("takes a clock that is set as it is: no round is written twice, none fails, and little of the past is lost", async () => {
    const team = await newTeam("running");
    const { sampler, sample } = await replica();
    sampler.start();
    for (let day = 0; day < 10; day++) {
      await clock.pass(DAY);
    }
    const before = await written(team.id);
    expect(before).toHaveLength(11);
    // Years ahead, for some hours; then an hour behind; then right.
    const right = clock.now();
    clock.set(right + 1000 * DAY);
    for (let round = 0; round < 3; round++) await clock.pass(PERIOD);
    clock.set(right - HOUR);
    await team.set("stopped");
    for (let round = 0; round < 3; round++) await clock.pass(PERIOD);
    clock.set(right);
    await team.set("running");
    for (let round = 0; round < 3; round++) await clock.pass(PERIOD);
    for (const { value } of sample.mock.settledResults) expect(value).toEqual(expect.any(Number));
    const now = await written(team.id);
    expect(new Set(now.map(([second]) => second)).size).toBe(now.length);
    const kept = new Set(now.map(([second]) => second));
    // The two oldest days went.
    expect(before.filter(([second]) => !kept.has(second)).length).toBeLessThanOrEqual(2);
    const { series } = await new StatsReads(database.db, () => clock.now()).get(team.id, "5m");
    expect(series.vcpus.at(-1)).toBe(2);
  });

  it("makes partitions ahead and drops what is older than sixty days", async () => {
    const team = await newTeam("running");
    const { sampler } = await replica();
    sampler.start();
    await clock.idle();
    for (let day = 0; day < 75; day++) await clock.pass(DAY);
    const days = Array.from({ length: 60 + 1 + 3 }, (_, index) => dayOf(clock.now() + (index - 60) * DAY));
    expect(await partitionsOf(SNAPSHOTS.name)).toEqual([...days, "default"]);
    const rollups = await partitionsOf(ROLLUPS.name);
    expect(rollups.length).toBeLessThanOrEqual(9);
    const rows = await written(team.id);
    expect(rows).toHaveLength(61);
    for (const table of [SNAPSHOTS, ROLLUPS]) {
      const { rows } = await sql`select from ${sql.table(`${table.name}_default`)}`.execute(database.db);
      expect(rows).toEqual([]);
    }
    const { series, peaks } = await new StatsReads(database.db, () => clock.now()).get(team.id, "30d");
    expect(series.vcpus).toEqual(new Array(30).fill(2));
    expect(peaks.vcpus).toBe(2);
  });

  it("keeps what a backup brought until it is as old, beside what comes after", async () => {
    const team = await newTeam("running");
    const store = new SnapshotStore(database.db);
    for (const days of [70, 59, 1, 0]) await store.sample(new Date(Math.floor(START / PERIOD) * PERIOD - days * DAY));
    expect(await partitionsOf(SNAPSHOTS.name)).toEqual(["default"]);
    const { sampler } = await replica();
    sampler.start();
    await clock.pass(PERIOD);
    const seconds = async () => (await written(team.id)).map(([second]) => second);
    expect(await seconds()).toEqual([(-59 * DAY) / SECOND, -DAY / SECOND, 0, 10]);
    expect(await partitionsOf(SNAPSHOTS.name)).toEqual([
      ...[1, 2, 3].map((day) => dayOf(START + day * DAY)),
      "default",
    ]);
    await clock.pass(2 * DAY);
    expect(await seconds()).toEqual([-DAY / SECOND, 0, 10, 10 + (2 * DAY) / SECOND]);
  });

  it("samples on while somebody reads for so long that no partition can be made", async () => {
    const team = await newTeam("running");
    const { sampler } = await replica();
    sampler.start();
    await clock.idle();
    const reader = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    const read = database.db.transaction().execute(async (transaction) => {
      await sql`select count(*) from sandbox_metrics_snapshots`.execute(transaction);
      reading.resolve();
      await reader.promise;
    });
    await reading.promise;
    await clock.pass(DAY);
    await clock.pass(PERIOD);
    expect((await written(team.id)).map(([second]) => second)).toEqual([0, DAY / SECOND, DAY / SECOND + 10]);
    expect(await partitionsOf(SNAPSHOTS.name)).not.toContain(dayOf(START + 4 * DAY));
    reader.resolve();
    await read;
    await clock.pass(60 * SECOND);
    expect(await partitionsOf(SNAPSHOTS.name)).toContain(dayOf(START + 4 * DAY));
  });

  it("takes each period once, however late its timers are and whenever it began", async () => {
    const { sampler, sample } = await replica();
    sample.mockResolvedValue(0);
    const late = fc.integer({ min: 0, max: 8 * SECOND + 999 });
    const runs = fc.sample(fc.array(late, { minLength: 40, maxLength: 40 }), { seed: 3, numRuns: 1 })[0]!;
    sampler.start();
    const wait = vi.spyOn(clock, "wait");
    await clock.idle();
    for (const delay of runs) {
      const [milliseconds] = wait.mock.lastCall ?? [PERIOD + SECOND - (clock.now() % PERIOD)];
      await clock.pass(milliseconds + delay);
    }
    const first = Math.floor(START / PERIOD);
    const periods = sample.mock.calls.map(([at]) => at.getTime() / PERIOD);
    expect(periods).toEqual(Array.from({ length: runs.length + 1 }, (_, index) => first + index));
  });
});
