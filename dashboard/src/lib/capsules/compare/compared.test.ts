import { expect, it } from "vitest";
import { comparePath, figuresOf, readCompared } from "./compared.ts";

const id = (letter: string) => `sb${letter.repeat(20)}`;
const compared = (query: string) => readCompared(new URLSearchParams(query));

it("an address names capsules, each once, in their order, as many as can be told apart", () => {
  expect(compared(`ids=${id("b")},${id("a")},${id("b")}`)).toEqual([id("b"), id("a")]);
  expect(compared(`ids=${[..."abcdefgh"].map(id).join(",")}`)).toEqual([..."abcdef"].map(id));
  expect(compared("ids=,<b>,sb1,../..")).toEqual([]);
  expect(compared("")).toEqual([]);
  expect(compared(comparePath([id("c"), id("d")]).split("?")[1]!)).toEqual([id("c"), id("d")]);
});

it("tells the last, the mean and the highest of what was measured", () => {
  const points = [4, null, 10, 1].map((y, x) => ({ x, y }));
  expect(figuresOf(points)).toEqual({ last: 1, mean: 5, most: 10 });
  expect(figuresOf([{ x: 0, y: null }])).toBeUndefined();
});
