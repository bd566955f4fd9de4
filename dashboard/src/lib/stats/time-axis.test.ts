import { describe, expect, it } from "vitest";
import { rangeOf, readRange } from "./ranges.ts";
import { pointsOf, timeMarks } from "./time-axis.ts";

const at = (time: string) => Date.parse(`2026-02-27T${time}Z`);

describe("the range of the address", () => {
  it.each([
    ["range=30d", "30d"],
    ["range=2h", "1h"],
    ["range=", "1h"],
    ["range=constructor", "1h"],
    ["", "1h"],
  ] as const)("%s", (query, range) => expect(readRange(new URLSearchParams(query))).toBe(range));

  it("a longer range is asked for less often", () => {
    const polls = (["5m", "1h", "6h", "24h", "30d"] as const).map((range) => rangeOf(range).pollSec);
    expect(polls).toEqual([15, 30, 60, 120, 300]);
  });
});

describe("an axis of time", () => {
  it("is marked at round times, no more often than asked", () => {
    const { marks, stepSec } = timeMarks(at("12:07:13"), at("13:07:13"), 8);
    expect(stepSec).toBe(600);
    expect(marks.map((mark) => new Date(mark).getMinutes() % 10)).toEqual(marks.map(() => 0));
    expect(marks).toHaveLength(6);
  });

  it("is marked by days over a month", () => {
    const { marks, stepSec } = timeMarks(at("12:00:00") - 30 * 86_400_000, at("12:00:00"), 8);
    expect(stepSec).toBe(5 * 86_400);
    expect(marks.length).toBeLessThanOrEqual(8);
  });
});

it("a line breaks where buckets are missing", () => {
  const labels = ["2026-02-27T12:00:00Z", "2026-02-27T12:00:30Z", "2026-02-27T12:05:00Z"];
  expect(pointsOf(labels, [1, 2, 3], 30).map(({ y }) => y)).toEqual([1, 2, null, 3]);
  expect(pointsOf(labels.slice(0, 2), [1, null], 30).map(({ y }) => y)).toEqual([1, null]);
});
