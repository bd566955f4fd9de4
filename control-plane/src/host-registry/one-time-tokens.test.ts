import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { DatabaseTokens, type OneTimeTokens } from "./one-time-tokens.ts";
import { RedisTokens } from "./redis-tokens.ts";
import { RedisServer } from "./testing/redis-server.ts";

const log = createLogger("silent");

/** What the registration of hosts relies on, wherever the tokens are kept. */
function describeTokens(name: string, start: () => Promise<{ open: () => OneTimeTokens; close: () => Promise<void> }>) {
  describe(name, () => {
    let place: Awaited<ReturnType<typeof start>>;
    let tokens: OneTimeTokens;
    beforeAll(async () => {
      place = await start();
      tokens = place.open();
    });
    afterAll(async () => {
      await tokens?.close();
      await place?.close();
    });
    /** Redis is connected to in the background. */
    const ready = () => expect.poll(() => tokens.put("first", "", 60).catch((error) => error)).toBeUndefined();

    it("gives what a token stands for once", async () => {
      await ready();
      await tokens.put("a", "of a", 60);
      await tokens.put("b", "of b", 60);
      expect(await tokens.take("a")).toBe("of a");
      expect(await tokens.take("a")).toBeUndefined();
      expect(await tokens.take("b")).toBe("of b");
    });

    it("gives nothing for a token that was never made, however odd", async () => {
      await ready();
      for (const token of ["never", "", "\0", "*", "é".repeat(5000)]) expect(await tokens.take(token)).toBeUndefined();
    });

    it("gives it to one of many who ask at the same moment, whichever control plane they ask", async () => {
      await ready();
      const other = place.open();
      await expect.poll(() => other.put("c", "of c", 60).catch((error) => error)).toBeUndefined();
      const taken = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? tokens : other).take("c")));
      expect(taken.filter(Boolean)).toEqual(["of c"]);
      await other.close();
    });

    it("gives nothing once its time is over", async () => {
      await ready();
      await tokens.put("short", "of short", 1);
      await tokens.put("long", "of long", 60);
      // The clock is that of the server: what was put in later has ended earlier.
      await new Promise((resolve) => setTimeout(resolve, 1100));
      expect(await tokens.take("short")).toBeUndefined();
      expect(await tokens.take("long")).toBe("of long");
    });
  });
}

describe("one-time tokens", () => {
  const fixture = testDatabase();

  describeTokens("in the database", async () => {
    const database: Database = await openDatabase(fixture().config, log);
    return { open: () => new DatabaseTokens(database.db), close: () => database.close() };
  });

  describeTokens("in Redis", async () => {
    const redis = await RedisServer.start();
    return { open: () => new RedisTokens(redis.url, log), close: () => redis.stop() };
  });

  it("are refused with a reason while Redis is away, and work again when it is back", async () => {
    const redis = await RedisServer.start();
    const tokens = new RedisTokens(redis.url, log);
    await expect.poll(() => tokens.put("a", "of a", 60).catch((error) => error)).toBeUndefined();
    await redis.kill();
    const refused = { code: "database_unavailable" };
    await expect(tokens.take("a")).rejects.toMatchObject(refused);
    await expect(tokens.put("b", "of b", 60)).rejects.toMatchObject(refused);
    await redis.run();
    await expect.poll(() => tokens.put("b", "of b", 60).catch((error) => error), { timeout: 20_000 }).toBeUndefined();
    expect(await tokens.take("b")).toBe("of b");
    await tokens.close();
    await redis.stop();
  });
});
