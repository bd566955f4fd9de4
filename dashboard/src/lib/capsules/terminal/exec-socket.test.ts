import { expect, it } from "vitest";
import { closeWords, exitWords } from "./exec-socket.ts";

it("tells how a shell ended", () => {
  expect(exitWords({ exit_code: 0 })).toBe("The shell has ended");
  expect(exitWords({ exit_code: 2 })).toBe("The shell has ended with status 2");
  expect(exitWords({ exit_code: 137, signal: "SIGKILL" })).toBe("The shell was ended by SIGKILL");
});

it("tells why a connection was closed, when the server said so", () => {
  expect(closeWords("")).toContain("broke");
  expect(closeWords("rate_limited")).toBe("The connection was closed: rate_limited");
});
