import { expect, it } from "vitest";
import { describeScopes, endOf } from "./scopes.ts";

it("a key without end has none, and others end after whole days", () => {
  const now = new Date("2026-02-27T12:00:00Z");
  expect(endOf("0", now)).toBeUndefined();
  expect(endOf("7", now)).toBe("2026-03-06T12:00:00.000Z");
});

it("what every key may do is said only of one that may nothing else", () => {
  expect(describeScopes(["read"])).toBe("read");
  expect(describeScopes(["sandboxes", "templates", "read"])).toBe("capsules, snapshots");
});
