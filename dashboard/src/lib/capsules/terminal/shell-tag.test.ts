import { PROCESS_TAG } from "@warren/contracts/identifiers";
import { expect, it } from "vitest";
import { freeNumber, shellNumber, shellTag } from "./shell-tag.ts";

it("a shell is known by its tag, which the API takes, and other commands are none", () => {
  for (const number of [1, 2, 17, 9999]) {
    expect(shellTag(number)).toMatch(PROCESS_TAG);
    expect(shellNumber(shellTag(number))).toBe(number);
  }
  for (const tag of [undefined, "", "terminal-", "terminal-0", "terminal-01", "my-terminal-1", "terminal-1x", "job"]) {
    expect(shellNumber(tag)).toBeUndefined();
  }
});

it("a new shell has the lowest number that is free", () => {
  expect(freeNumber([])).toBe(1);
  expect(freeNumber([2, 1, 4])).toBe(3);
});
