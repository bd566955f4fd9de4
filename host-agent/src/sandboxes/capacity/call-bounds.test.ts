import { expect, test } from "vitest";
import { CALL_LIMITS, CallBounds } from "./call-bounds.ts";

test("calls into one sandbox leave room for those into another of the team, and those of a team for another team's", () => {
  const bounds = new CallBounds({ ...CALL_LIMITS, callsPerSandbox: 2, callsPerTeam: 3, calls: 100 });
  const enter = (id: string, teamId: string) => bounds.enter({ id, teamId });
  const first = enter("one", "team");
  enter("one", "team");
  expect(() => enter("one", "team")).toThrow(expect.objectContaining({ code: "rate_limited" }));
  enter("other", "team");
  expect(() => enter("third", "team")).toThrow(/at most 2 into one sandbox, 3 of one team/);
  enter("theirs", "team2");
  first();
  enter("one", "team");
});

test("output that is held for a team is bounded, and given back as a whole", () => {
  const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 100, output: 150 });
  const held = bounds.hold({ id: "one", teamId: "team" });
  held.add(60);
  held.add(40);
  expect(() => held.add(1)).toThrow(expect.objectContaining({ code: "rate_limited" }));
  expect(() => bounds.hold({ id: "two", teamId: "team2" }).add(60)).toThrow(/too much output/);
  held.release();
  bounds.hold({ id: "two", teamId: "team" }).add(100);
});
