import { expect, it } from "vitest";
import { partInView } from "./part-in-view.ts";

const view = { viewPx: 800, rowPx: 32, count: 1000 };

it("has the rows in view and some around them", () => {
  expect(partInView({ ...view, above: -200 })).toEqual({ start: 0, end: 48 });
  const { start, end } = partInView({ ...view, above: 500 * 32 });
  expect(start).toBeLessThanOrEqual(500 - 24);
  expect(end).toBeGreaterThanOrEqual(525 + 24);
  expect(end - start).toBeLessThan(100);
});

it("moves in steps, so that most of scrolling changes nothing", () => {
  expect(partInView({ ...view, above: 3200 })).toEqual(partInView({ ...view, above: 3230 }));
});

it("ends with the last row, also when the list has become short", () => {
  expect(partInView({ ...view, above: 1000 * 32 - 800 }).end).toBe(1000);
  expect(partInView({ ...view, above: 1000 * 32, count: 160 })).toEqual({ start: 160, end: 160 });
  expect(partInView({ ...view, above: 0, count: 0 })).toEqual({ start: 0, end: 0 });
});
