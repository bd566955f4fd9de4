import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Sandbox } from "./sandbox.ts";
import { WarmPool } from "./warm-pool.ts";

/** What the pool has asked for, each waiting for the test to say how it ends. */
let made: {
  done?: boolean;
  sandbox: Sandbox;
  isAwaited: (() => boolean) | undefined;
  finish: (error?: Error) => void;
}[];
let dropped: Sandbox[];

function pool(size: number, memoryMb = 1024): WarmPool {
  return new WarmPool({
    size,
    memoryMb,
    log: pino({ enabled: false }),
    make: (snapshot, isAwaited) =>
      new Promise((resolve, reject) => {
        const sandbox = { snapshot, number: made.length } as unknown as Sandbox;
        made.push({ sandbox, isAwaited, finish: (error) => (error ? reject(error) : resolve(sandbox)) });
      }),
    drop: async (sandbox) => void dropped.push(sandbox),
  });
}

beforeEach(() => {
  made = [];
  dropped = [];
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets everything happen that waits for no timer. */
const settled = () => new Promise(setImmediate);
const MINUTES = 60_000;

/** Ends what the pool makes until it makes no more; gives the snapshots of it, in order. */
async function makeAll(): Promise<string[]> {
  const from = made.findIndex(({ done }) => !done);
  if (from < 0) return [];
  for (let index = from; index < made.length; index++) {
    const each = made[index]!;
    each.done = true;
    each.finish();
    await settled();
  }
  return made.slice(from).map(({ sandbox }) => (sandbox as unknown as { snapshot: string }).snapshot);
}

it("gives what is prepared to one of those who wait for it", async () => {
  const warm = pool(0);
  warm.prepare("a");
  warm.prepare("a");
  expect(made).toHaveLength(1);
  expect(made[0]!.isAwaited?.()).toBe(false);
  const takers = [warm.take("a"), warm.take("a"), warm.take("b")];
  expect(made[0]!.isAwaited?.()).toBe(true);
  expect(await takers[2]).toBeUndefined();
  made[0]!.finish();
  expect((await Promise.all(takers)).filter(Boolean)).toEqual([made[0]!.sandbox]);
  expect(await warm.take("a")).toBeUndefined();
  await warm.close();
  expect(dropped).toEqual([]);
});

it("keeps what was prepared until it is taken, and makes no more when its size is 0", async () => {
  const warm = pool(0);
  warm.prepare("a");
  made[0]!.finish();
  const taken = await warm.take("a");
  expect(taken).toBe(made[0]!.sandbox);
  warm.want("a", 128);
  expect(made).toHaveLength(1);
});

it("lets go without a sandbox when the one that was awaited cannot be made", async () => {
  const warm = pool(0);
  warm.prepare("a");
  const taker = warm.take("a");
  made[0]!.finish(new Error("no room"));
  expect(await taker).toBeUndefined();
});

it("drops what was being prepared when it gives way", async () => {
  const warm = pool(0);
  warm.prepare("a");
  const given = warm.giveWay();
  made[0]!.finish();
  expect(await given).toBe(true);
  expect(dropped).toEqual([made[0]!.sandbox]);
  expect(await warm.take("a")).toBeUndefined();
  expect(await warm.giveWay()).toBe(false);
});

it("leaves nothing behind when it is closed, whatever is under way", async () => {
  const warm = pool(2);
  warm.want("a", 128);
  expect(made[0]!.isAwaited).toBeUndefined();
  warm.want("a", 128);
  made[0]!.finish();
  await settled();
  expect(made).toHaveLength(2);
  warm.prepare("b");
  const closed = warm.close();
  for (const { finish } of made) finish();
  await closed;
  expect(new Set(dropped)).toEqual(new Set(made.map(({ sandbox }) => sandbox)));
  warm.want("a", 128);
  warm.prepare("c");
  expect(made).toHaveLength(3);
});

it("keeps as many ready as were started lately, and none when nothing is started any more", async () => {
  const warm = pool(2);
  warm.want("a", 128);
  expect(await makeAll()).toEqual(["a"]);
  vi.advanceTimersByTime(6 * MINUTES);
  expect(await warm.take("a")).toBeDefined();
  warm.want("a", 128);
  expect(await makeAll()).toEqual(["a", "a"]);
  vi.advanceTimersByTime(6 * MINUTES);
  expect(dropped).toHaveLength(1);
  vi.advanceTimersByTime(5 * MINUTES);
  expect(dropped).toHaveLength(2);
  await settled();
  expect(await warm.take("a")).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
});

it("makes a large sandbox ready only when it is asked for again, within the memory of the pool", async () => {
  const warm = pool(4, 3000);
  warm.want("large", 1024);
  expect(await makeAll()).toEqual([]);
  warm.want("large", 1024);
  expect(await makeAll()).toEqual(["large"]);
  for (let use = 0; use < 4; use++) warm.want("large", 1024);
  expect(await makeAll()).toEqual(["large"]);
  for (let use = 0; use < 4; use++) warm.want("small", 512);
  expect(await makeAll()).toEqual(["small", "small", "small", "small"]);
  expect(dropped).toHaveLength(2);
});

it("lets go of what is replaced, also of what is being made ready then", async () => {
  const warm = pool(2);
  warm.want("old", 128);
  warm.want("old", 128);
  made[0]!.finish();
  await settled();
  await warm.empty("old");
  made[1]!.finish();
  await settled();
  expect(dropped).toEqual([made[0]!.sandbox, made[1]!.sandbox]);
  expect(made).toHaveLength(2);
});

it("lets go of what was prepared and never used", async () => {
  const warm = pool(0);
  warm.prepare("a");
  await makeAll();
  vi.advanceTimersByTime(11 * MINUTES);
  await settled();
  expect(dropped).toHaveLength(1);
  expect(await warm.take("a")).toBeUndefined();
});
