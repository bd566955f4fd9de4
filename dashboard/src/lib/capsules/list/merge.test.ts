import { expect, it } from "vitest";
import type { Capsule } from "../capsule.ts";
import { applyEvent, isCapsuleEvent } from "./merge.ts";

const capsule = (id: string, minute: number, fields: Partial<Capsule> = {}): Capsule => {
  const time = `2026-02-27T12:${String(minute).padStart(2, "0")}:00Z`;
  return { id, status: "running", created_at: time, last_updated: time, ...fields } as Capsule;
};
const list = [capsule("c", 3), capsule("a", 1)];
const ids = (capsules: readonly Capsule[]) => capsules.map(({ id }) => id);
const event = (action: "created" | "changed" | "deleted", resource: Capsule) =>
  ({ type: "sandbox", action, id: resource.id, ...(action === "deleted" ? {} : { resource }) }) as const;

it("a new one stands where its age puts it", () => {
  expect(ids(applyEvent(list, event("created", capsule("b", 2))))).toEqual(["c", "b", "a"]);
  expect(ids(applyEvent(list, event("created", capsule("d", 4))))).toEqual(["d", "c", "a"]);
  expect(ids(applyEvent(list, event("created", capsule("0", 0))))).toEqual(["c", "a", "0"]);
  expect(ids(applyEvent([], event("created", capsule("a", 1))))).toEqual(["a"]);
});

it("one that has changed keeps its place", () => {
  const paused = capsule("a", 1, { status: "paused", last_updated: "2026-02-27T13:00:00Z" });
  expect(applyEvent(list, event("changed", paused))[1]).toBe(paused);
});

it("an event that comes late takes nothing back", () => {
  const newer = applyEvent(list, event("changed", capsule("a", 1, { last_updated: "2026-02-27T13:00:00Z" })));
  expect(applyEvent(newer, event("changed", capsule("a", 1, { status: "pausing" })))).toBe(newer);
});

it("one that is over goes, once", () => {
  const less = applyEvent(list, event("deleted", capsule("c", 3)));
  expect(ids(less)).toEqual(["a"]);
  expect(applyEvent(less, event("deleted", capsule("c", 3)))).toBe(less);
  expect(ids(applyEvent(list, event("changed", capsule("c", 3, { status: "error" }))))).toEqual(["a"]);
});

it("an event without what has changed has the list read again", () => {
  expect(isCapsuleEvent({ type: "sandbox", action: "changed", id: "a" })).toBe(false);
  expect(isCapsuleEvent({ type: "sandbox", action: "deleted", id: "a" })).toBe(true);
  expect(isCapsuleEvent({ type: "template", action: "deleted", id: "a" })).toBe(false);
});
