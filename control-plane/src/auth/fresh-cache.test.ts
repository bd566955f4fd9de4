import fc from "fast-check";
import { expect, test } from "vitest";
import { FreshCache } from "./fresh-cache.ts";

const anything = () => true;

function setUp() {
  let now = 0;
  const cache = new FreshCache<{ value: number }>({ maxAgeMs: 1000, maxEntries: 10, now: () => now });
  return { cache, advance: (ms: number) => (now += ms) };
}

test("a value is reused until it is a second old, counted from the start of the query", async () => {
  const { cache, advance } = setUp();
  let stored = 1;
  const read = async () => {
    const value = stored;
    advance(400);
    return { value };
  };
  expect(await cache.get("a", read)).toEqual({ value: 1 });
  stored = 2;
  advance(599);
  expect(await cache.get("a", read)).toEqual({ value: 1 });
  advance(1);
  expect(await cache.get("a", read)).toEqual({ value: 2 });
});

test("concurrent callers share one query", async () => {
  const { cache } = setUp();
  let reads = 0;
  const read = async () => ({ value: ++reads });
  const values = await Promise.all([cache.get("a", read), cache.get("a", read), cache.get("a", read)]);
  expect(values).toEqual([{ value: 1 }, { value: 1 }, { value: 1 }]);
});

test("what is forgotten while it is being read is neither kept nor given to later callers", async () => {
  const { cache } = setUp();
  const { promise: slow, resolve } = Promise.withResolvers<{ value: number }>();
  const early = cache.get("a", () => slow);
  cache.forget(anything);
  expect(await cache.get("a", async () => ({ value: 2 }))).toEqual({ value: 2 });
  resolve({ value: 1 });
  expect(await early).toEqual({ value: 1 });
  expect(await cache.get("a", async () => ({ value: 3 }))).toEqual({ value: 2 });
});

test("a failed or absent read is tried again", async () => {
  const { cache } = setUp();
  await expect(cache.get("a", () => Promise.reject(new Error("database is down")))).rejects.toThrow("down");
  expect(await cache.get("a", async () => undefined)).toBeUndefined();
  expect(await cache.get("a", async () => ({ value: 1 }))).toEqual({ value: 1 });
});

test("only what matches is forgotten", async () => {
  const { cache } = setUp();
  await cache.get("a", async () => ({ value: 1 }));
  await cache.get("b", async () => ({ value: 2 }));
  cache.forget(({ value }) => value === 1);
  expect(await cache.get("a", async () => ({ value: 3 }))).toEqual({ value: 3 });
  expect(await cache.get("b", async () => ({ value: 4 }))).toEqual({ value: 2 });
});

test("after a change and `forget`, nobody gets the old value, whatever the order of reads", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom("get", "change", "wait"), { maxLength: 40 }), async (steps) => {
      const { cache, advance } = setUp();
      let stored = 0;
      const read = async () => ({ value: stored });
      for (const step of steps) {
        if (step === "wait") advance(300);
        else if (step === "change") {
          stored++;
          cache.forget(anything);
        } else expect(await cache.get("a", read)).toEqual({ value: stored });
      }
    }),
  );
});
