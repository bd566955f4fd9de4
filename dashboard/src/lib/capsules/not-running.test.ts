import { expect, it } from "vitest";
import type { Capsule } from "./capsule.ts";
import { whyNotRunning } from "./not-running.ts";

const inState = (status: Capsule["status"], message?: string) =>
  whyNotRunning({
    status,
    ...(message !== undefined && { reason: { code: "inactivity" as const, at: "2026-11-28T00:00:00Z", message } }),
  });

it("says of each state why there is nothing to use, and what to do", () => {
  expect(inState("starting")).toBe("The capsule starts: shells and files are there once it runs.");
  expect(inState("paused", "not used for 10 minutes.")).toBe(
    "The capsule is paused: not used for 10 minutes. Resume it, and it goes on where it stood.",
  );
  expect(inState("stopped", "out of memory: python3 (pid 412)")).toContain(
    "has stopped: out of memory: python3 (pid 412). ",
  );
  expect(inState("missing")).toContain("cannot be reached: its host does not answer. ");
  const reason = {
    code: "usage_limit",
    at: "2026-11-28T00:00:00Z",
    message: "the team has used 1 h of CPU time",
  } as const;
  expect(whyNotRunning({ status: "paused", reason })).toContain(
    "or an administrator of the platform has raised the limit",
  );
  expect(inState("error")).toContain("The capsule failed. ");
});
