import { expect, it } from "vitest";
import { exitWords } from "./words.ts";

it("tells how a command ended", () => {
  expect(exitWords({ exit_code: 0 })).toBe("The shell has ended");
  expect(exitWords({ exit_code: 2 })).toBe("The shell has ended with status 2");
  expect(exitWords({ exit_code: 137, signal: "SIGKILL" })).toBe("The shell was ended by SIGKILL");
  expect(exitWords({ exit_code: 143, signal: "SIGTERM", timed_out: true }, "sleep")).toBe(
    "sleep was ended by its time limit",
  );
});
