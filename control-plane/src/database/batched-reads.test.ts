import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { BatchedReads } from "./batched-reads.ts";

/** Reads keys, each in a turn of the event loop of its own. */
async function eachInATurn<V>(reads: BatchedReads<V>, keys: string[]): Promise<Promise<V | undefined>[]> {
  const values: Promise<V | undefined>[] = [];
  for (const key of keys) {
    values.push(reads.get(key));
    await endOfTurn();
  }
  return values;
}

/** Reads whose queries a test answers. */
function setUp() {
  const queries: { keys: string[]; answer: (values: Record<string, number>) => void; fail: (error: Error) => void }[] =
    [];
  const reads = new BatchedReads<number>((keys) => {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, number>>();
    queries.push({ keys, answer: (values) => resolve(new Map(Object.entries(values))), fail: reject });
    return promise;
  });
  return { reads, queries };
}

it("sends what is read in one turn of the event loop together while the database is idle", async () => {
  const { reads, queries } = setUp();
  const values = [reads.get("a"), reads.get("b"), reads.get("a")];
  await endOfTurn();
  expect(queries.map(({ keys }) => keys)).toEqual([["a", "b"]]);
  queries[0]!.answer({ a: 1, b: 2 });
  expect(await Promise.all(values)).toEqual([1, 2, 1]);
});

it("gathers reads that come meanwhile into the next query", async () => {
  const { reads, queries } = setUp();
  const early = await eachInATurn(reads, ["a", "b"]);
  const late = [reads.get("c"), reads.get("d"), reads.get("c"), reads.get("a")];
  expect(queries.map(({ keys }) => keys)).toEqual([["a"], ["b"]]);
  queries[0]!.answer({ a: 1 });
  await early[0];
  await expect.poll(() => queries.length).toBe(3);
  expect(queries[2]!.keys).toEqual(["c", "d", "a"]);
  queries[2]!.answer({ c: 3, a: 11 });
  expect(await Promise.all(late)).toEqual([3, undefined, 3, 11]);
  queries[1]!.answer({});
  expect(await early[1]).toBeUndefined();
});

it("reads a key again for those who ask while it is being read, once for all of them", async () => {
  const { reads, queries } = setUp();
  const [before] = await eachInATurn(reads, ["a"]);
  const after = [reads.get("a"), reads.get("a")];
  const [other] = await eachInATurn(reads, ["b"]);
  expect(queries.map(({ keys }) => keys)).toEqual([["a"], ["b"]]);
  queries[1]!.answer({ b: 3 });
  expect(await other).toBe(3);
  // There is room for a query, but none that these could use.
  const [more] = await eachInATurn(reads, ["a"]);
  expect(queries).toHaveLength(2);
  queries[0]!.answer({ a: 1 });
  expect(await before).toBe(1);
  await expect.poll(() => queries.length).toBe(3);
  expect(queries[2]!.keys).toEqual(["a"]);
  queries[2]!.answer({ a: 2 });
  expect(await Promise.all([...after, more])).toEqual([2, 2, 2]);
});

it("tells everyone who shares a query that it has failed, and goes on", async () => {
  const { reads, queries } = setUp();
  const first = await eachInATurn(reads, ["a", "b"]);
  const shared = [reads.get("c"), reads.get("d")];
  queries[0]!.answer({});
  await first[0];
  await expect.poll(() => queries.length).toBe(3);
  queries[2]!.fail(new Error("the database is away"));
  for (const read of shared) await expect(read).rejects.toThrow("the database is away");
  queries[1]!.answer({});
  await first[1];
  const [again] = await eachInATurn(reads, ["c"]);
  queries[3]!.answer({ c: 1 });
  expect(await again).toBe(1);
});

it("asks for at most 200 keys at a time", async () => {
  const { reads, queries } = setUp();
  const all = await eachInATurn(reads, ["key-0", "key-1"]);
  for (let index = 2; index < 252; index++) all.push(reads.get(`key-${index}`));
  for (let index = 0; index < 4; index++) {
    await expect.poll(() => queries.length).toBeGreaterThan(index);
    queries[index]!.answer(Object.fromEntries(queries[index]!.keys.map((key) => [key, 1])));
  }
  expect(await Promise.all(all)).toEqual(Array(252).fill(1));
  expect(queries.map(({ keys }) => keys.length)).toEqual([1, 1, 200, 50]);
});
