import { expect, it } from "vitest";
import { UnknownSandboxes } from "./unknown-sandboxes.ts";

let now = 0;
const clock = () => now;

it("has what comes while hosts are watched ended after a while, and leaves alone what was there before", () => {
  const unknown = new UnknownSandboxes(false, clock);
  expect(unknown.judge("host", ["old"])).toEqual({ ended: [], found: ["old"] });
  expect(unknown.judge("host", ["old", "new"])).toEqual({ ended: [], found: [] });
  now += 29_000;
  expect(unknown.judge("host", ["old", "new"]).ended).toEqual([]);
  now += 2_000;
  expect(unknown.judge("host", ["old", "new"]).ended).toEqual(["new"]);
  // What is known meanwhile begins anew.
  unknown.judge("host", ["old"]);
  expect(unknown.judge("host", ["old", "new"]).ended).toEqual([]);
  now += 3_600_000;
  unknown.begin();
  expect(unknown.judge("host", ["old", "new"])).toEqual({ ended: [], found: ["old", "new"] });
  expect(unknown.judge("other", [])).toEqual({ ended: [], found: [] });
});

it("has all of it ended where an operator says so", () => {
  const unknown = new UnknownSandboxes(true, clock);
  expect(unknown.judge("host", ["old"])).toEqual({ ended: [], found: [] });
  now += 31_000;
  expect(unknown.judge("host", ["old"])).toEqual({ ended: ["old"], found: [] });
});
