import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { LoginAttempts } from "./login-attempts.ts";
import { RateLimited } from "./rate-limited.ts";
import { RateLimiter } from "./rate-limiter.ts";

const RATE = { burst: 3, perMinute: 1 };

describe("rate limits", () => {
  const fixture = testDatabase();
  let database: Database;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.db.deleteFrom("rate_limits").execute();
    await database.db.deleteFrom("login_attempts").execute();
  });

  /** Lets time pass for all rows. */
  const pass = async (interval: string) => {
    await sql`update rate_limits set tat = tat - ${interval}::interval`.execute(database.db);
    await sql`update login_attempts set locked_until = locked_until - ${interval}::interval,
      forget_at = forget_at - ${interval}::interval`.execute(database.db);
  };
  const refusalOf = async (attempt: Promise<void>) => {
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RateLimited);
    return error as RateLimited;
  };

  it("accepts a burst, then one attempt per interval", async () => {
    const limiter = () => new RateLimiter(database.db, 1);
    for (let i = 0; i < 3; i++) await limiter().take("test", "somebody", RATE);
    const refusal = await refusalOf(limiter().take("test", "somebody", RATE));
    expect(refusal.code).toBe("rate_limited");
    expect(refusal.retryAfterSec).toBeGreaterThan(0);
    expect(refusal.retryAfterSec).toBeLessThanOrEqual(60);
    await limiter().take("test", "somebody else", RATE);
    await limiter().take("another test", "somebody", RATE);
    await pass("61 seconds");
    await limiter().take("test", "somebody", RATE);
    await refusalOf(limiter().take("test", "somebody", RATE));
  });

  it("never accepts more than the burst of attempts at one moment", async () => {
    const limiters = [new RateLimiter(database.db, 1), new RateLimiter(database.db, 1)];
    const attempts = Array.from({ length: 20 }, (_, i) => limiters[i % 2]!.take("test", "racer", RATE));
    const results = await Promise.allSettled(attempts);
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(3);
  });

  it("multiplies all rates by its factor", async () => {
    const limiter = new RateLimiter(database.db, 2);
    for (let i = 0; i < 6; i++) await limiter.take("test", "somebody", RATE);
    await refusalOf(limiter.take("test", "somebody", RATE));
  });

  it("removes rows in the past and writes nobody's address down", async () => {
    const limiter = new RateLimiter(database.db, 1);
    for (let i = 0; i < 6; i++) await limiter.take("test", `somebody-${i}`, RATE);
    await pass("1 hour");
    for (let i = 0; i < 2; i++) await limiter.take("test", "203.0.113.1", RATE);
    const rows = await database.db.selectFrom("rate_limits").selectAll().execute();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("203.0.113.1");
  });

  /** Fails a number of times, each time after the lock of the time before has passed. */
  const fail = async (attempts: LoginAttempts, times: number) => {
    for (let i = 0; i < times; i++) {
      await pass("20 minutes");
      await attempts.begin("a@example.org", "203.0.113.1");
    }
  };

  it("locks an account for a network after failures, each time longer", async () => {
    const attempts = new LoginAttempts(database.db);
    const locks: number[] = [];
    for (let i = 0; i < 17; i++) {
      await fail(attempts, 1);
      const { rows } = await sql<{ seconds: number }>`select
        extract(epoch from locked_until - (forget_at - interval '24 hours'))::integer as seconds
        from login_attempts`.execute(database.db);
      locks.push(rows[0]!.seconds);
    }
    expect(locks).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    const refusal = await refusalOf(attempts.begin("a@example.org", "203.0.113.1"));
    expect(refusal.retryAfterSec).toBeLessThanOrEqual(900);
    await attempts.begin("a@example.org", "203.0.113.2");
    await attempts.begin("b@example.org", "203.0.113.1");
  });

  it("forgets failures after a success, and after a day", async () => {
    const attempts = new LoginAttempts(database.db);
    await fail(attempts, 15);
    await refusalOf(attempts.begin("a@example.org", "203.0.113.1"));
    await attempts.succeeded("a@example.org", "203.0.113.1");
    await fail(attempts, 15);
    await refusalOf(attempts.begin("a@example.org", "203.0.113.1"));
    await pass("25 hours");
    for (let i = 0; i < 5; i++) await attempts.begin("a@example.org", "203.0.113.1");
  });

  it("counts attempts at the same moment before any of them has failed", async () => {
    const attempts = new LoginAttempts(database.db);
    await fail(attempts, 15);
    await pass("20 minutes");
    const all = Array.from({ length: 20 }, () => attempts.begin("a@example.org", "203.0.113.1"));
    const begun = (await Promise.allSettled(all)).filter((result) => result.status === "fulfilled");
    expect(begun).toHaveLength(1);
  });
});
