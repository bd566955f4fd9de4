import { expect, it } from "vitest";
import { inTurn } from "./in-turn.ts";

it("does each once, a few at a time, and goes on after one that fails", async () => {
  let underWay = 0;
  let most = 0;
  const done: number[] = [];
  const failures = await inTurn([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], async (item) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await Promise.resolve();
    underWay -= 1;
    if (item === 3) throw new Error("three");
    done.push(item);
  });
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect([...failures]).toEqual([[3, new Error("three")]]);
  expect(most).toBe(3);
});
