import { expect, it } from "vitest";
import { formatDuration, formatRelative } from "./time.ts";

it.each([
  [59, "59 s"],
  [6 * 60, "6 min"],
  [2 * 3600, "2 h"],
  [5 * 86_400, "5 d"],
  [6 * 30 * 86_400, "6 mo"],
])("tells %d s by a unit that is no other: %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

it("tells a time by how far it is from now", () => {
  const now = new Date("2026-11-28T10:00:00Z");
  expect(formatRelative(new Date("2026-11-28T09:54:00Z"), now)).toBe("6 min ago");
  expect(formatRelative(new Date("2026-11-28T10:12:00Z"), now)).toBe("in 12 min");
});
