import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { noteServerTime, serverNow } from "./server-time.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-28T10:00:00Z") });
});
afterEach(() => {
  vi.useRealTimers();
});

const now = () => new Date(serverNow()).toISOString();

it("is that of the server where the browser's clock is wrong, and goes on", () => {
  noteServerTime("Sat, 28 Nov 2026 15:30:00 GMT");
  expect(now()).toBe("2026-11-28T15:30:00.000Z");
  vi.advanceTimersByTime(60_000);
  expect(now()).toBe("2026-11-28T15:31:00.000Z");
  noteServerTime("Fri, 27 Nov 2026 10:00:00 GMT");
  expect(now()).toBe("2026-11-27T10:00:00.000Z");
});

it("is the browser's where both are the same but for the way of an answer, or nothing is known", () => {
  noteServerTime("Sat, 28 Nov 2026 09:59:57 GMT");
  expect(now()).toBe("2026-11-28T10:00:00.000Z");
  for (const nothing of [null, "", "yesterday"]) noteServerTime(nothing);
  expect(now()).toBe("2026-11-28T10:00:00.000Z");
});
