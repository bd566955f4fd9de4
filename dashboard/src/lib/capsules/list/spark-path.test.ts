import { expect, it } from "vitest";
import { sparkPath } from "./spark-path.ts";

it("a curve goes from the left edge to the right one, and stays in its field", () => {
  expect(sparkPath([0, 50, 100], 100, 40, 16)).toBe("M0 15L20 8L40 1");
  expect(sparkPath([0, 200], 100, 40, 16)).toBe("M0 15L40 1");
});

it("nothing is drawn of less than two values, and a flat line of nothing", () => {
  expect(sparkPath([7], 100, 40, 16)).toBe("");
  expect(sparkPath([0, 0], 0, 40, 16)).toBe("M0 15L40 15");
});
