import { WarrenError } from "@warren/contracts/errors";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Sandbox } from "../state/sandbox.ts";
import { WarmPool } from "./warm-pool.ts";

/** What the pool has asked for, each waiting for the test to say how it ends. */
let made: {
  done?: boolean;
  sandbox: Sandbox;
  signal: AbortSignal;
  isAwaited: (() => boolean) | undefined;
  finish: (error?: Error) => void;
}[];
let dropped: Sandbox[];

function warmPool(size: number, memoryMb = 1024, drop: () => Promise<void> = async () => undefined): WarmPool {
  return new WarmPool({
    size,
    memoryMb,
    log: pino({ enabled: false }),
    make: (snapshot, signal, isAwaited) =>
      new Promise((resolve, reject) => {
        const sandbox = { snapshot, number: made.length } as unknown as Sandbox;
        made.push({ sandbox, signal, isAwaited, finish: (error) => (error ? reject(error) : resolve(sandbox)) });
      }),
    drop: async (sandbox) => {
      dropped.push(sandbox);
      await drop();
    },
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
  const warm = warmPool(0);
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
  const warm = warmPool(0);
  warm.prepare("a");
  made[0]!.finish();
  const taken = await warm.take("a");
  expect(taken).toBe(made[0]!.sandbox);
  warm.want("a", 128);
  expect(made).toHaveLength(1);
});

it("lets go without a sandbox when the one that was awaited cannot be made", async () => {
  const warm = warmPool(0);
  warm.prepare("a");
  const taker = warm.take("a");
  made[0]!.finish(new Error("no room"));
  expect(await taker).toBeUndefined();
});

it("drops what was being prepared when it is evicted", async () => {
  const warm = warmPool(0);
  warm.prepare("a");
  const given = warm.evict();
  made[0]!.finish();
  expect(await given).toBe(true);
  expect(dropped).toEqual([made[0]!.sandbox]);
  expect(await warm.take("a")).toBeUndefined();
  expect(await warm.evict()).toBe(false);
});

it("makes room for whoever asks for it while others wait for the same room", async () => {
  const gone = Promise.withResolvers<void>();
  const warm = warmPool(0, 1024, () => gone.promise);
  warm.prepare("a");
  made[0]!.finish();
  await settled();
  const given = [warm.evict(), warm.evict()];
  let answers = 0;
  for (const each of given) void each.then(() => (answers += 1));
  await settled();
  expect(answers).toBe(0);
  gone.resolve();
  expect(await Promise.all(given)).toEqual([true, true]);
});

it("leaves nothing behind when it is closed, whatever is under way", async () => {
  const warm = warmPool(2);
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
  const warm = warmPool(2);
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
  const warm = warmPool(4, 3000);
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
  const warm = warmPool(2);
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
  const warm = warmPool(0);
  warm.prepare("a");
  await makeAll();
  vi.advanceTimersByTime(11 * MINUTES);
  await settled();
  expect(dropped).toHaveLength(1);
  expect(await warm.take("a")).toBeUndefined();
});

/** Ends what is being made once it is told to end, and never before. */
function endWhenTold(index: number): void {
  const { signal, finish } = made[index]!;
  made[index]!.done = true;
  signal.addEventListener("abort", () => finish(new Error("ended")), { once: true });
}
/** Longer than making one may take on the busiest host. */
const TOO_LONG = 11 * MINUTES;

it("gives up one that does not become ready, and makes those of others", async () => {
  const warm = warmPool(1);
  warm.want("stuck", 128);
  endWhenTold(0);
  vi.advanceTimersByTime(50_000);
  warm.want("other", 128);
  expect(made).toHaveLength(1);
  vi.advanceTimersByTime(TOO_LONG - 60_000 - 50_000);
  await settled();
  expect(made[0]!.signal.aborted).toBe(true);
  warm.want("other", 128);
  expect(await makeAll()).toEqual(["other"]);
  expect(await warm.take("other")).toBeDefined();
});

it("does not try again for a while what failed, whoever asks for it", async () => {
  const warm = warmPool(1);
  warm.want("bad", 128);
  made[0]!.done = true;
  made[0]!.finish(new WarrenError("guest_unreachable", "it is silent"));
  await settled();
  warm.want("bad", 128);
  expect(await makeAll()).toEqual([]);
  vi.advanceTimersByTime(6 * MINUTES);
  warm.want("bad", 128);
  expect(await makeAll()).toEqual(["bad"]);
});

it("tries again at once what failed for want of room", async () => {
  const warm = warmPool(1);
  warm.want("a", 128);
  made[0]!.done = true;
  made[0]!.finish(new WarrenError("host_full", "no room"));
  await settled();
  expect(made).toHaveLength(1);
  warm.want("a", 128);
  expect(await makeAll()).toEqual(["a"]);
});

it("makes first what has become ready before", async () => {
  const warm = warmPool(1);
  warm.want("known", 128);
  expect(await makeAll()).toEqual(["known"]);
  warm.want("new", 128);
  expect(await warm.take("known")).toBeDefined();
  warm.want("known", 128);
  warm.want("newer", 128);
  expect(await makeAll()).toEqual(["new", "known", "newer"]);
});

it.each([
  ["is evicted", (warm: WarmPool) => warm.evict()],
  ["is closed", (warm: WarmPool) => warm.close()],
])("ends at once what is being made when it %s", async (_, end) => {
  const warm = warmPool(1);
  warm.want("a", 128);
  warm.prepare("b");
  endWhenTold(0);
  endWhenTold(1);
  await end(warm);
  await settled();
  expect(made).toHaveLength(2);
});

it("makes again what was ended to make room, when it is used again", async () => {
  const warm = warmPool(1);
  warm.want("a", 128);
  endWhenTold(0);
  expect(await warm.evict()).toBe(true);
  warm.want("a", 128);
  expect(await makeAll()).toEqual(["a"]);
});

it("ends at once what is being made of a snapshot from which none will be started", async () => {
  const warm = warmPool(1);
  warm.want("a", 128);
  endWhenTold(0);
  await warm.empty("a");
  expect(made[0]!.signal.aborted).toBe(true);
});

it("lets go of whoever waits for what is being prepared and does not want it any more", async () => {
  const warm = warmPool(0);
  warm.prepare("a");
  const gone = new AbortController();
  const taker = warm.take("a", gone.signal);
  gone.abort(new Error("gone"));
  await expect(taker).rejects.toThrow("gone");
  made[0]!.finish();
  expect(await warm.take("a")).toBe(made[0]!.sandbox);
});
