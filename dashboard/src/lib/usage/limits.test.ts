import { expect, it } from "vitest";
import { limitedUses, noticeOf, placeOnBar, standingWords, type UsageLimits } from "./limits.ts";

const limits = (changed: Partial<UsageLimits>): UsageLimits => ({
  from: "2026-11-01",
  to: "2026-11-30",
  ends_at: "2026-12-01T00:00:00.000Z",
  state: "ok",
  cpu_minutes: { used: 0, state: "ok" },
  memory_mb_minutes: { used: 0, state: "ok" },
  egress_bytes: { used: 0, state: "ok" },
  ...changed,
});

it("says nothing while nothing is reached", () => {
  expect(noticeOf(limits({ cpu_minutes: { used: 1, warning: 5, limit: 10, state: "ok" } }))).toBeUndefined();
});

it("says what was used, and what comes of it", () => {
  const warned = { used: 52.5, warning: 50, limit: 60, state: "warning" } as const;
  expect(noticeOf(limits({ state: "warning", cpu_minutes: warned }))).toBe(
    "The team has used 52.5 min of CPU time in November. At 1 h of CPU time its capsules are paused.",
  );
  const unlimited = { used: 2048, warning: 1024, state: "warning" } as const;
  expect(noticeOf(limits({ state: "warning", egress_bytes: unlimited }))).toBe(
    "The team has used 2 KiB of egress in November.",
  );
  const reached = { used: 61_440, limit: 61_440, state: "reached" } as const;
  expect(noticeOf(limits({ state: "reached", cpu_minutes: warned, memory_mb_minutes: reached }))).toBe(
    "The team has used 1 GiB·h of memory in November, all that it may: its capsules are paused and none starts until " +
      "December 1, 00:00 UTC, or until an administrator of the platform raises the limit.",
  );
});

it("shows bars of what is set alone, up to the limit, or to what is used where there is none", () => {
  const of = limits({
    cpu_minutes: { used: 30, warning: 40, limit: 60, state: "ok" },
    egress_bytes: { used: 4096, warning: 1024, state: "warning" },
    memory_mb_minutes: { used: 0, limit: 0, state: "reached" },
  });
  const [cpu, memory, egress] = limitedUses(of);
  expect([cpu?.key, memory?.key, egress?.key]).toEqual(["cpu_minutes", "memory_mb_minutes", "egress_bytes"]);
  expect([placeOnBar(cpu!, 30), placeOnBar(cpu!, 90)]).toEqual([50, 100]);
  expect([placeOnBar(egress!, 1024), placeOnBar(egress!, 4096)]).toEqual([25, 100]);
  expect(placeOnBar(memory!, 0)).toBe(100);
  expect([cpu, memory, egress].map((use) => standingWords(use!))).toEqual([
    "Warning at 40 min",
    "Limit reached",
    "Above the warning",
  ]);
  expect(limitedUses(limits({}))).toEqual([]);
});
