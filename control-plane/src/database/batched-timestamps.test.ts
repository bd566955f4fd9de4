import { describe, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { BatchedTimestamps } from "./batched-timestamps.ts";

const log = createLogger("silent");

describe("batched timestamps", () => {
  it("write the latest time of each key, together", async () => {
    const batches: [string, Date][][] = [];
    const times = new BatchedTimestamps(async (batch) => void batches.push([...batch]), log, 60_000);
    const before = Date.now();
    times.touch("a");
    times.touch("b");
    times.touch("a");
    await times.close();
    expect(batches).toHaveLength(1);
    expect(batches[0]!.map(([key]) => key).sort()).toEqual(["a", "b"]);
    for (const [, at] of batches[0]!) expect(at.getTime()).toBeGreaterThanOrEqual(before);
    await times.close();
    expect(batches).toHaveLength(1);
  });

  it("keep what could not be written for the next time, unless it is newer", async () => {
    const batches: Map<string, Date>[] = [];
    let away = true;
    const times = new BatchedTimestamps(
      async (batch) => {
        if (away) throw new Error("away");
        batches.push(new Map(batch));
      },
      log,
      60_000,
    );
    times.touch("a");
    await times.flush();
    away = false;
    times.touch("b");
    await times.close();
    expect([...batches[0]!.keys()].sort()).toEqual(["a", "b"]);
  });

  it("write by themselves after a while", async () => {
    const written = Promise.withResolvers<string[]>();
    const times = new BatchedTimestamps(async (batch) => written.resolve([...batch.keys()]), log, 1);
    times.touch("a");
    expect(await written.promise).toEqual(["a"]);
  });
});
