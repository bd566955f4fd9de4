import { expect, it } from "vitest";
import { partInView } from "./part-in-view.ts";

const view = { viewPx: 800, rowPx: 32, count: 1000 };

it("has the rows in view and some around them", () => {
  expect(partInView({ ...view, above: -200 })).toEqual({ start: 0, end: 65 });
  const { start, end } = partInView({ ...view, above: 500 * 32 });
  expect(start).toBeLessThanOrEqual(500 - 20);
  expect(end).toBeGreaterThanOrEqual(525 + 10);
});

it("has as many wherever the view is", () => {
  for (let above = -300; above < 1000 * 32; above += 777) {
    const { start, end } = partInView({ ...view, above });
    expect(end - start).toBe(65);
  }
});

it("moves in steps, so that most of scrolling changes nothing", () => {
  expect(partInView({ ...view, above: 3200 })).toEqual(partInView({ ...view, above: 3230 }));
});

it("ends with the last row, also when the list has become short", () => {
  expect(partInView({ ...view, above: 1000 * 32 - 800 })).toEqual({ start: 935, end: 1000 });
  expect(partInView({ ...view, above: 1000 * 32, count: 160 })).toEqual({ start: 95, end: 160 });
  expect(partInView({ ...view, above: 0, count: 0 })).toEqual({ start: 0, end: 0 });
});
