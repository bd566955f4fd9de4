import { expect, test } from "vitest";
import { shellStatus } from "./exit-status.ts";

test("the exit status is the one that a shell would give", () => {
  expect(shellStatus({ exitCode: 3, timedOut: false })).toBe(3);
  expect(shellStatus({ exitCode: -1, signal: "killed", timedOut: false })).toBe(137);
  expect(shellStatus({ exitCode: -1, signal: "segmentation fault", timedOut: false })).toBe(139);
  expect(shellStatus({ exitCode: -1, signal: "signal 34", timedOut: false })).toBe(162);
  expect(shellStatus({ exitCode: -1, signal: "killed", timedOut: true })).toBe(124);
});
