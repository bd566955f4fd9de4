import { expect, it } from "vitest";
import { whenIdle } from "./idle.ts";

it.each([
  [{ timeout_sec: 0, on_timeout: "destroy" }, "runs on"],
  [{ timeout_sec: 300, on_timeout: "pause" }, "pause, 5 min"],
  [{ timeout_sec: 86_400, on_timeout: "destroy" }, "destroy, 1 d"],
] as const)("tells what becomes of one that is idle: %o", (capsule, words) => {
  expect(whenIdle(capsule)).toBe(words);
});
