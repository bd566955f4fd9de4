import { expect, test } from "vitest";
import { LastLines } from "./last-lines.ts";

test("the end of a log is kept in bounded memory", () => {
  const lines = new LastLines(2);
  expect(lines.add("a\nb\nc")).toEqual(["a", "b"]);
  expect(lines.add("d\n")).toEqual(["cd"]);
  expect(lines.toString()).toBe("b\ncd");
  for (let piece = 0; piece < 100; piece++) lines.add("x".repeat(10_000));
  expect(lines.toString().length).toBeLessThan(10_000);
});
