import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Countdown } from "./countdown.ts";
import { shownMs } from "./toast-time.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a notice stays the longer the more it says, and one of an error longer still", () => {
  const [short, long] = ["build-42 paused", "x".repeat(200)];
  expect(shownMs("info", short)).toBe(5000);
  expect(shownMs("info", long)).toBe(17_000);
  expect(shownMs("error", short)).toBeGreaterThan(2 * shownMs("info", short));
  expect(shownMs("error", long)).toBe(30_000);
});

it("a countdown goes on where it rested", () => {
  let ended = 0;
  const countdown = new Countdown(1000, () => ended++);
  vi.advanceTimersByTime(5000);
  expect(ended).toBe(0);
  countdown.run();
  vi.advanceTimersByTime(600);
  countdown.rest();
  countdown.rest();
  vi.advanceTimersByTime(60_000);
  expect(ended).toBe(0);
  countdown.run();
  countdown.run();
  vi.advanceTimersByTime(399);
  expect(ended).toBe(0);
  vi.advanceTimersByTime(1);
  expect(ended).toBe(1);
});
