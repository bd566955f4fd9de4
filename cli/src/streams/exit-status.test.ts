import { expect, test } from "vitest";
import { shellStatus } from "./exit-status.ts";

test("the exit status is the one that a shell would give", () => {
  expect(shellStatus({ exitCode: 3, timedOut: false })).toBe(3);
  expect(shellStatus({ exitCode: 137, signal: "SIGKILL", timedOut: false })).toBe(137);
  expect(shellStatus({ exitCode: 143, signal: "SIGTERM", timedOut: true })).toBe(124);
});
