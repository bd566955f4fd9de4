import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Database, openDatabase } from "../../database/database.ts";
import { testDatabase } from "../../database/testing/test-database.ts";
import { createLogger } from "../../logging.ts";
import { dayOf, endOf, monthOf } from "../usage-period.ts";
import { UsageLimitStore } from "./usage-limit-store.ts";

const DAY_MS = 86_400_000;
const fixture = testDatabase();
let database: Database;
beforeAll(async () => {
  database = await openDatabase(fixture().config, createLogger("silent"));
});
afterAll(() => database?.close());

it.each([
  ["2024-02-15T12:00:00Z", "2024-02-01", "2024-02-29"],
  ["2026-12-31T23:59:59.999Z", "2026-12-01", "2026-12-31"],
  ["2027-01-01T00:00:00Z", "2027-01-01", "2027-01-31"],
  ["2026-11-30T23:59:59.999Z", "2026-11-01", "2026-11-30"],
])("knows the month of %s", (time, from, to) => {
  const month = monthOf(Date.parse(time));
  expect(month).toEqual({ from, to });
  expect(monthOf(endOf(month) - 1)).toEqual(month);
  expect(monthOf(endOf(month)).from > to).toBe(true);
});

it("adds up what a team has used in the days of one month, and of no other day or team", async () => {
  const day = fc.integer({ min: -70, max: 70 });
  const use = fc.record({ day, cpuMs: fc.integer({ min: 0, max: 1e9 }), egress: fc.integer({ min: 0, max: 2 ** 40 }) });
  const uses = fc.uniqueArray(use, { selector: (each) => each.day, maxLength: 100 });
  const now = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 11, 31, 23, 59, 59, 999) });
  await fc.assert(
    fc.asyncProperty(uses, now, async (used, at) => {
      const [team, stranger] = [randomUUID(), randomUUID()];
      const rows = used.flatMap((each) =>
        [team, stranger].map((team_id) => ({
          team_id,
          day: dayOf(at + each.day * DAY_MS),
          cpu_us: each.cpuMs * 1000,
          memory_mb_ms: 0,
          disk_mb_ms: 0,
          egress_bytes: each.egress,
        })),
      );
      if (rows.length > 0) await database.db.insertInto("daily_usage").values(rows).execute();
      const month = new Date(at).toISOString().slice(0, 7);
      const ofMonth = used.filter((each) => new Date(at + each.day * DAY_MS).toISOString().startsWith(month));
      const sum = (of: (each: (typeof used)[number]) => number) => ofMonth.reduce((total, each) => total + of(each), 0);
      const standing = await new UsageLimitStore(database.db).get(team, at);
      expect(standing.cpu_minutes.used).toBeCloseTo(sum(({ cpuMs }) => cpuMs) / 60e3, 3);
      expect(standing.egress_bytes.used).toBe(sum(({ egress }) => egress));
    }),
    { seed: 10, numRuns: 60 },
  );
});

it("has no limit to be looked at of teams that are gone, or for which nothing is set", async () => {
  const store = new UsageLimitStore(database.db);
  const [live, deleted, free] = [randomUUID(), randomUUID(), randomUUID()];
  for (const [index, id] of [live, deleted, free].entries()) {
    const deleted_at = id === deleted ? new Date() : null;
    await database.db
      .insertInto("teams")
      .values({ id, name: "team", slug: `00000${index}-000000`, deleted_at })
      .execute();
  }
  const none = await store.settings(free, database.db);
  for (const id of [live, deleted]) await store.set(id, { ...none, cpu_minutes_limit: 5 }, database.db);
  await store.set(free, { ...none, cpu_minutes_limit: 5 }, database.db);
  await store.set(free, none, database.db);
  expect([...(await store.list(Date.now())).keys()]).toEqual([live]);
  expect(await store.find(free, Date.now())).toBeUndefined();
});
