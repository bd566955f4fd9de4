import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { AuditLogger } from "../../audit/audit-logger.ts";
import { AuditOutbox } from "../../audit/audit-outbox.ts";
import { AuditRecorder } from "../../audit/audit-recorder.ts";
import { type Database, openDatabase } from "../../database/database.ts";
import { testDatabase } from "../../database/testing/test-database.ts";
import { DetachedOperations } from "../../detached-operations.ts";
import { createLogger } from "../../logging.ts";
import { TeamStore } from "../../teams/team-store.ts";
import { dayOf } from "../usage-period.ts";
import { UsageAllowance } from "./usage-allowance.ts";
import { UsageLimitStore } from "./usage-limit-store.ts";
import { UsageLimiter } from "./usage-limiter.ts";

const log = createLogger("silent");
const fixture = testDatabase();
let database: Database;
beforeAll(async () => {
  database = await openDatabase(fixture().config, log);
});
afterAll(() => database?.close());

it("tells each team once, and asks the database as little for many teams as for one", async () => {
  const { db } = database;
  const limits = new UsageLimitStore(db);
  const audit = new AuditLogger(new AuditRecorder({ db, outbox: new AuditOutbox(fixture().config.dataDir), log }));
  const limiter = new UsageLimiter({
    db,
    limits,
    allowance: new UsageAllowance(limits),
    sandboxes: { listRunning: async () => [], pauseAtLimit: async () => undefined },
    operations: new DetachedOperations(),
    audit: audit.teams,
    log,
  });
  const teams = await Promise.all(Array.from({ length: 50 }, () => new TeamStore(db).insert(`Team ${randomUUID()}`)));
  const none = await limits.settings(teams[0]!, db);
  for (const [index, team_id] of teams.entries()) {
    await limits.set(team_id, { ...none, cpu_minutes_warning: 1, cpu_minutes_limit: index % 2 ? 2 : 100 }, db);
    const used = { cpu_us: 3 * 60e6, memory_mb_ms: 0, disk_mb_ms: 0, egress_bytes: 0 };
    await db
      .insertInto("daily_usage")
      .values({ team_id, day: dayOf(Date.now()), ...used })
      .execute();
  }
  const told = async () =>
    db
      .selectFrom("audit_logs")
      .select(["action", ({ fn }) => fn.countAll<number>().as("events")])
      .where("resource_type", "=", "quota")
      .groupBy("action")
      .orderBy("action")
      .execute();
  const { signal } = new AbortController();
  await Promise.all([limiter.check(signal), limiter.check(signal)]);
  const once = [
    { action: "reach_limit", events: 25 },
    { action: "warn", events: 50 },
  ];
  expect(await told()).toEqual(once);
  const queries = vi.spyOn(pg.Client.prototype, "query");
  await limiter.check(signal);
  // Standings, what is not noted of them, and limits that are reached.
  expect(queries.mock.calls.length).toBeLessThanOrEqual(2);
  queries.mockRestore();
  expect(await told()).toEqual(once);
});
