import { expect, it } from "vitest";
import { Budget } from "./budget.ts";

it("bounds each owner, and all of them together", () => {
  const budget = new Budget(5);
  const one = [{ owner: "one", most: 3 }];
  const two = [{ owner: "two", most: 3 }];
  expect([budget.take(one, 2), budget.take(one, 2), budget.take(two, 3), budget.take(one)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  budget.release(two, 3);
  expect([budget.takenBy("one"), budget.takenBy("two"), budget.take(one), budget.take(one)]).toEqual([
    2,
    0,
    true,
    false,
  ]);
});

it("takes for all owners or for none", () => {
  const budget = new Budget(100);
  const both = [
    { owner: "sandbox", most: 2 },
    { owner: "team", most: 1 },
  ];
  expect([budget.take(both), budget.take(both)]).toEqual([true, false]);
  expect(budget.takenBy("sandbox")).toBe(1);
});
