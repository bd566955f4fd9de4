import { expect, it } from "vitest";
import { SHELL } from "../terminal/shell-tag.ts";
import { commandLine, cpuTime, howItStands } from "./process-words.ts";

it("names a shell of the pages by its tab, and nothing else so", () => {
  expect(commandLine({ cmd: "sh", args: ["-c", SHELL], tag: "terminal-2" })).toBe("Shell 2");
  expect(commandLine({ cmd: "rm", args: ["-r", "x"], tag: "terminal-2" })).toBe("terminal-2: rm -r x");
  expect(commandLine({ cmd: "sleep", args: ["60"] })).toBe("sleep 60");
});

it("tells how a command stands, and how it ended", () => {
  const ended_at = "2026-11-29T02:00:00Z";
  expect(howItStands({ background: true })).toBe("runs");
  expect(howItStands({ background: false })).toBe("runs for a client");
  expect(howItStands({ background: true, exit: { exit_code: 0, ended_at } })).toBe("ended");
  expect(howItStands({ background: true, exit: { exit_code: 4, ended_at } })).toBe("ended: status 4");
  expect(howItStands({ background: true, exit: { exit_code: 137, signal: "SIGKILL", ended_at } })).toBe(
    "ended: SIGKILL",
  );
});

it("has processor time of what runs", () => {
  expect(cpuTime({ cpu_ms: 1240 })).toBe("1.2 s");
  expect(cpuTime({ cpu_ms: 125_000 })).toBe("2 min");
});
