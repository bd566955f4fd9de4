import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketsOf, type MeasuredSpan, WIDTHS } from "./metric-buckets.ts";

const NOW = Date.UTC(2026, 0, 2, 12);

const span = (fields: Partial<MeasuredSpan>): MeasuredSpan => ({
  sandboxId: "sb",
  at: NOW,
  spanMs: 10_000,
  cpuUs: 0,
  rxBytes: 0,
  txBytes: 0,
  memoryBytes: undefined,
  vmmMemoryBytes: 0,
  diskBytes: 0,
  ...fields,
});

test("a span that lies in two buckets gives each its part", () => {
  const [first, second] = bucketsOf([span({ at: NOW + 4000, cpuUs: 10, diskBytes: 7 })], NOW);
  expect(first).toMatchObject({ widthSec: 10, begin: NOW - 10_000, spanMs: 6000, cpuUs: 6, diskBytes: 7 });
  expect(second).toMatchObject({ widthSec: 10, begin: NOW, spanMs: 4000, cpuUs: 4, diskBytes: 7 });
});

test("what lies in one bucket is added up, and means are weighed", () => {
  const spans = [
    span({ at: NOW + 2000, spanMs: 2000, cpuUs: 5, memoryBytes: 100, vmmMemoryBytes: 10 }),
    span({ at: NOW + 8000, spanMs: 6000, cpuUs: 6, memoryBytes: 200, vmmMemoryBytes: 50 }),
    span({ at: NOW + 9000, spanMs: 1000, vmmMemoryBytes: 40 }),
  ];
  const ten = bucketsOf(spans, NOW).filter(({ widthSec }) => widthSec === 10);
  expect(ten).toEqual([
    expect.objectContaining({ begin: NOW, spanMs: 9000, cpuUs: 11, memoryBytes: 175, vmmMemoryBytes: 40 }),
  ]);
});

test("what is too old for a width, or of a time to come, is in none of its buckets", () => {
  expect(bucketsOf([span({ at: NOW + 400_000 })], NOW)).toEqual([]);
  const old = bucketsOf([span({ at: NOW - 86_400_000 })], NOW);
  expect(old.map(({ widthSec }) => widthSec)).toEqual([60, 720, 21_600]);
});

test("however spans lie, what they have used is in the buckets of each width that keeps all of them", () => {
  const times = fc.record({
    sandboxId: fc.constantFrom("one", "two"),
    ago: fc.nat(3_600_000),
    spanMs: fc.nat(300_000),
    cpuUs: fc.nat(1_000_000),
  });
  fc.assert(
    fc.property(fc.array(times, { maxLength: 30 }), (all) => {
      const spans = all.map(({ ago, ...fields }) => span({ ...fields, at: NOW - ago }));
      const buckets = bucketsOf(spans, NOW);
      const used = spans.filter(({ spanMs }) => spanMs > 0).reduce((sum, { cpuUs }) => sum + cpuUs, 0);
      for (const { widthSec } of WIDTHS) {
        const own = buckets.filter((bucket) => bucket.widthSec === widthSec);
        expect(Math.abs(own.reduce((sum, { cpuUs }) => sum + cpuUs, 0) - used)).toBeLessThan(0.01);
        for (const { begin } of own) expect(begin % (widthSec * 1000)).toBe(0);
        expect(new Set(own.map(({ sandboxId, begin }) => `${sandboxId} ${begin}`)).size).toBe(own.length);
      }
    }),
    { seed: 10, numRuns: 200 },
  );
});

test("one span makes a bounded number of buckets, however long it is", () => {
  expect(bucketsOf([span({ spanMs: 1e15 })], NOW).length).toBeLessThanOrEqual(4 * 61);
});
