import { expect, it } from "vitest";
import { mergeLog } from "./merge-log.ts";

const entry = (number: number, word = "") => ({
  id: `dlv-${number}`,
  created_at: `2026-01-01T00:00:0${number}Z`,
  word,
});

it("a log whose first page is read anew keeps the older entries that were seen", () => {
  const seen = [entry(4), entry(3), entry(2), entry(1)];
  const page = { items: [entry(5), entry(4, "again"), entry(3)], next_cursor: "dlv-3" };
  expect(mergeLog(seen, page)).toEqual([...page.items, entry(2), entry(1)]);
});

it("a log that has one page is that page", () => {
  expect(mergeLog([entry(2), entry(1)], { items: [entry(3)] })).toEqual([entry(3)]);
  expect(mergeLog([entry(2)], { items: [] })).toEqual([]);
});
