import { describe, expect, it } from "vitest";
import { describeEvents, isCovered, type Pattern, toggled } from "./events.ts";

describe("the events of a webhook", () => {
  it("are chosen one by one or kind by kind, and what a wider choice has is not said twice", () => {
    const one = toggled([], "sandbox.deleted");
    expect(toggled(one, "sandbox.created")).toEqual(["sandbox.created", "sandbox.deleted"]);
    expect(toggled(one, "sandbox.*")).toEqual(["sandbox.*"]);
    expect(toggled(["host.*", "sandbox.*"], "*")).toEqual(["*"]);
    expect(toggled(["*"], "*")).toEqual([]);
    expect(toggled(["api_key.*", "member.created"], "api_key.*")).toEqual(["member.created"]);
  });

  it("that a wider choice has are covered", () => {
    const covered = (pattern: Pattern, ...events: Pattern[]) => isCovered(pattern, new Set(events));
    expect(covered("sandbox.created", "sandbox.*")).toBe(true);
    expect(covered("sandbox.*", "*")).toBe(true);
    expect(covered("sandbox.*", "sandbox.*")).toBe(false);
    expect(covered("team.created", "template.*")).toBe(false);
  });

  it("are told in a few words", () => {
    expect(describeEvents(["*"])).toBe("All");
    expect(describeEvents(["sandbox.*", "template.deleted", "template.created", "api_key.*"])).toBe(
      "Capsules, snapshots created or deleted, API keys",
    );
  });
});
