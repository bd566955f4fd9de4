import { randomUUID } from "node:crypto";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import { SANDBOX_STATUSES, type SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { type SandboxStats, STATS_RANGES, type StatsRange } from "@warren/contracts/rest/stats";
import { newSandboxId } from "@warren/server/sandbox-id";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import type { Db } from "../database/tables.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { SnapshotStore } from "./snapshot-store.ts";
import { StatsReads } from "./stats-reads.ts";

const RANGES = Object.keys(STATS_RANGES) as StatsRange[];

describe("GET /v1/sandboxes/stats", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());

  const stats = async (query = "") =>
    (await (await stack.call("GET", `/v1/sandboxes/stats${query}`)).json()) as SandboxStats;

  it("tells what is in use at once, with nothing behind it at first", async () => {
    const nothing = { running_count: 0, vcpus_reserved: 0, memory_mb_reserved: 0 };
    expect(await stats()).toEqual({
      range: "1h",
      current: nothing,
      peaks: { running_count: 0, vcpus: 0, memory_mb: 0 },
      series: { labels: [], running: [], vcpus: [], memory_mb: [] },
    });
    const paused = await stack.createSandbox({ vcpus: 3, memory_mb: 257 });
    await stack.createSandbox({ vcpus: 2, memory_mb: 1024 });
    await stack.call("POST", `/v1/sandboxes/${paused.id}/pause`);
    const current = { running_count: 1, vcpus_reserved: 2 + 2, memory_mb_reserved: 1024 + 129 };
    expect((await stats("?range=30d")).current).toEqual(current);
  });

  it("shows what the sampler of the server has seen", async () => {
    // A round may have come while the sandboxes were made.
    const last = async (range: StatsRange) => {
      const { running, vcpus, memory_mb } = (await stats(`?range=${range}`)).series;
      return [running.at(-1), vcpus.at(-1), memory_mb.at(-1)];
    };
    await expect.poll(() => last("5m"), { timeout: 60_000 }).toEqual([1, 4, 1153]);
    for (const range of RANGES) expect((await stats(`?range=${range}`)).series.labels).not.toEqual([]);
    const { series, peaks } = await stats("?range=30d");
    expect(peaks).toEqual({ running_count: series.running[0], vcpus: series.vcpus[0], memory_mb: series.memory_mb[0] });
  });

  it.each([
    ["?range=2h", 'querystring/range must be one of 5m, 1h, 6h, 24h, 30d, not "2h"'],
    ["?range=", 'querystring/range must be one of 5m, 1h, 6h, 24h, 30d, not ""'],
    ["?range=1h&range=6h", "querystring/range"],
    ["?since=1h", "querystring/since is not a known field"],
  ])("refuses %s and names what is wrong", async (query, message) => {
    expect(await errorOf(await stack.call("GET", `/v1/sandboxes/stats${query}`))).toMatchObject({
      status: 400,
      code: "invalid_request",
      message: expect.stringContaining(message),
    });
  });
});

/** Sandboxes of a team that are in their statuses from some time on. */
interface Step {
  /** Seconds since the step before. */
  after: number;
  statuses: SandboxStatus[];
}

const SHAPES = [
  { vcpus: 1, memory_mb: 128 },
  { vcpus: 3, memory_mb: 255 },
  { vcpus: 8, memory_mb: 1001 },
];
const STATUS = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<SandboxStatus[]>("running", "starting", "paused") },
  { weight: 2, arbitrary: fc.constantFrom(...SANDBOX_STATUSES) },
);
const GONE = fc.constant(SHAPES.map(() => "stopped" as SandboxStatus));
const STEP: fc.Arbitrary<Step> = fc.record({
  after: fc.oneof(
    fc.constantFrom(10, 20, 30, 180, 720, 21_600),
    fc.integer({ min: 1, max: 60 * 1440 * 8 }).map((tens) => tens * 10),
  ),
  statuses: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(STATUS, STATUS, STATUS).map((statuses): SandboxStatus[] => statuses) },
    { weight: 1, arbitrary: GONE },
  ),
});

type Values = [running: number, vcpus: number, memoryMb: number];

/** What section of the order says that a team has in use: what is paused counts half, rounded up once for all. */
function inUse(statuses: readonly SandboxStatus[]): Values {
  const sum = (field: "vcpus" | "memory_mb", ...counted: SandboxStatus[]) =>
    SHAPES.reduce((total, shape, index) => total + (counted.includes(statuses[index]!) ? shape[field] : 0), 0);
  const reserved = (field: "vcpus" | "memory_mb") =>
    sum(field, "running", "starting") + Math.ceil(sum(field, "paused") / 2);
  const active = statuses.filter((status) => status === "running" || status === "starting");
  return [active.length, reserved("vcpus"), reserved("memory_mb")];
}

/** The series that snapshots of these values make, by looking at every bucket alone. */
function expectedSeries(history: { at: number; values: Values }[], range: StatsRange, now: number) {
  const { lookBackSec, bucketSec } = STATS_RANGES[range];
  const buckets: [label: string, values: Values][] = [];
  // Of a team that never had anything, there is nothing.
  const first = history.findIndex(({ values }) => values[1] > 0);
  const known = first < 0 ? [] : history.slice(first);
  const from = now - lookBackSec;
  for (let begin = Math.floor(from / bucketSec) * bucketSec; begin <= now; begin += bucketSec) {
    const inside = known.filter(({ at }) => at >= Math.max(begin, from) && at < begin + bucketSec);
    const before = known.findLast(({ at }) => at < Math.max(begin, from));
    const label = new Date(begin * 1000).toISOString();
    if (inside.length > 0) {
      const most = (index: 0 | 1 | 2) => Math.max(...inside.map(({ values }) => values[index]));
      buckets.push([label, [most(0), most(1), most(2)]]);
    } else if (before && before.values[1] === 0) buckets.push([label, [0, 0, 0]]);
  }
  const column = (index: 0 | 1 | 2) => buckets.map(([, values]) => values[index]);
  return { labels: buckets.map(([label]) => label), running: column(0), vcpus: column(1), memory_mb: column(2) };
}

describe("stats of a team", () => {
  const fixture = testDatabase();
  let database: Database;
  let db: Db;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
    db = database.db;
  });
  afterAll(() => database?.close());

  /** A team with a sandbox of each shape, which is over. */
  async function newTeam() {
    const id = randomUUID();
    const slug = id.replace(/^(.{6})(..)-(....).*$/, "$1-$2$3");
    await db.insertInto("teams").values({ id, name: "team", slug, deleted_at: null }).execute();
    const sandboxes = SHAPES.map((shape) => ({
      id: newSandboxId(),
      team_id: id,
      spec: JSON.stringify({ ...DEFAULT_SPEC, ...shape, version: 1 }),
      status: "stopped" as SandboxStatus,
    }));
    await db.insertInto("sandboxes").values(sandboxes).execute();
    const set = async (statuses: readonly SandboxStatus[]) => {
      for (const [index, sandbox] of sandboxes.entries()) {
        await db.updateTable("sandboxes").set({ status: statuses[index]! }).where("id", "=", sandbox.id).execute();
      }
    };
    return { id, set };
  }

  it("are the greatest values of each bucket, zeros where nothing was in use, and nothing where none is known", async () => {
    const store = new SnapshotStore(db);
    const start = Date.UTC(2026, 0, 1) / 1000;
    await fc.assert(
      fc.asyncProperty(
        fc.array(STEP, { minLength: 1, maxLength: 14 }),
        fc.integer({ min: 0, max: 86_400 * 12 }),
        async (steps, rest) => {
          const team = await newTeam();
          const history: { at: number; values: Values }[] = [];
          let at = start;
          for (const { after, statuses } of steps) {
            at += after;
            await team.set(statuses);
            await store.sample(new Date(at * 1000));
            history.push({ at, values: inUse(statuses) });
          }
          const [running_count, vcpus_reserved, memory_mb_reserved] = history.at(-1)!.values;
          // Soon after the last one, and later.
          for (const now of [at + (rest % 17) + 1, at + rest + 1]) {
            const reads = new StatsReads(db, () => now * 1000);
            const inThirtyDays = history.filter((one) => one.at >= now - STATS_RANGES["30d"].lookBackSec);
            const most = (index: 0 | 1 | 2) => Math.max(0, ...inThirtyDays.map(({ values }) => values[index]));
            for (const range of RANGES) {
              expect(await reads.get(team.id, range)).toEqual({
                range,
                current: { running_count, vcpus_reserved, memory_mb_reserved },
                peaks: { running_count: most(0), vcpus: most(1), memory_mb: most(2) },
                series: expectedSeries(history, range, now),
              });
            }
          }
          await team.set(SHAPES.map(() => "stopped"));
        },
      ),
      { seed: 9, numRuns: 40 },
    );
  }, 180_000);
});
