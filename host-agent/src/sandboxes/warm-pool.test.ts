import { pino } from "pino";
import { beforeEach, expect, it } from "vitest";
import type { Sandbox } from "./sandbox.ts";
import { WarmPool } from "./warm-pool.ts";

/** What the pool has asked for, each waiting for the test to say how it ends. */
let made: { sandbox: Sandbox; isAwaited: (() => boolean) | undefined; finish: (error?: Error) => void }[];
let dropped: Sandbox[];

function pool(size: number): WarmPool {
  return new WarmPool({
    size,
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
});

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
  warm.want("a");
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
  warm.want("a");
  expect(made[0]!.isAwaited).toBeUndefined();
  made[0]!.finish();
  await expect.poll(() => made.length).toBe(2);
  warm.prepare("b");
  const closed = warm.close();
  for (const { finish } of made) finish();
  await closed;
  expect(new Set(dropped)).toEqual(new Set(made.map(({ sandbox }) => sandbox)));
  warm.want("a");
  warm.prepare("c");
  expect(made).toHaveLength(3);
});
