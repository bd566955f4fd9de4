import fc from "fast-check";
import { expect, test } from "vitest";
import { dayOf, openAccount, partsByDay, settle, type Usage } from "./account.ts";

const DAY = 86_400_000;
const MIDNIGHT = Date.UTC(2026, 0, 1);

test("a span of time lies in its days wholly, and in each by its part", () => {
  expect(partsByDay(MIDNIGHT - 3000, MIDNIGHT + 1000)).toEqual([
    ["2025-12-31", 0.75],
    ["2026-01-01", 0.25],
  ]);
  expect(partsByDay(MIDNIGHT, MIDNIGHT)).toEqual([["2026-01-01", 1]]);
  // A clock that was put back.
  expect(partsByDay(MIDNIGHT + 5, MIDNIGHT - 5)).toEqual([["2025-12-31", 1]]);
  expect(partsByDay(MIDNIGHT - 1, MIDNIGHT + 2 * DAY).map(([day]) => day)).toEqual([
    "2025-12-31",
    "2026-01-01",
    "2026-01-02",
  ]);
});

test("memory counts while there is a microVM, disk throughout, and counters by what they have moved", () => {
  const account = openAccount({ id: "sb", teamId: "team", memoryMb: 512, at: MIDNIGHT });
  account.machine = { process: "1:1", cpuUs: 100, rxBytes: 0, txBytes: 0 };
  settle(account, {
    now: MIDNIGHT + 1000,
    elapsedMs: 1000,
    round: 1,
    counters: { cpuUs: 600, rxBytes: 10, txBytes: 20 },
  });
  account.diskMb = 3;
  settle(account, {
    now: MIDNIGHT + 3000,
    elapsedMs: 2000,
    round: 2,
    counters: { cpuUs: 500, rxBytes: 15, txBytes: 25 },
  });
  delete account.machine;
  settle(account, { now: MIDNIGHT + 4000, elapsedMs: 1000, round: 3 });
  expect(account.days).toEqual({
    "2026-01-01": { cpuUs: 500, memoryMbMs: 512 * 3000, diskMbMs: 3 * 3000, egressBytes: 25, round: 3 },
  });
  expect(account.span).toEqual({ since: MIDNIGHT, isLive: true, cpuUs: 500, rxBytes: 15, txBytes: 25 });
});

test("a clock that is put forward counts what was used for the present day, and for none of those that it left out", () => {
  const account = openAccount({ id: "sb", teamId: "team", memoryMb: 512, at: 0 });
  account.diskMb = 1;
  settle(account, { now: MIDNIGHT + 5000, elapsedMs: 1000, round: 1 });
  expect(Object.entries(account.days).map(([day, { diskMbMs }]) => [day, diskMbMs])).toEqual([["2026-01-01", 1000]]);
});

test("however its times and counters go, the days add up to what moved, and none ever counts less than before", () => {
  const step = fc.record({
    elapsed: fc.integer({ min: 0, max: 3 * DAY }),
    cpuUs: fc.nat(1_000_000),
    txBytes: fc.nat(1_000_000),
    diskMb: fc.nat(1000),
    hasMachine: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const account = openAccount({ id: "sb", teamId: "team", memoryMb: 128, at: MIDNIGHT });
      const expected: Usage = { cpuUs: 0, memoryMbMs: 0, diskMbMs: 0, egressBytes: 0 };
      let now = MIDNIGHT;
      let counters = { cpuUs: 0, rxBytes: 0, txBytes: 0 };
      for (const { elapsed, cpuUs, txBytes, diskMb, hasMachine } of steps) {
        const before = structuredClone(account.days);
        if (hasMachine) account.machine ??= { process: "1:1", ...counters };
        else delete account.machine;
        expected.memoryMbMs += hasMachine ? 128 * elapsed : 0;
        expected.diskMbMs += account.diskMb * elapsed;
        if (hasMachine) {
          counters = { cpuUs: counters.cpuUs + cpuUs, rxBytes: 0, txBytes: counters.txBytes + txBytes };
          expected.cpuUs += cpuUs;
          expected.egressBytes += txBytes;
        }
        now += elapsed;
        settle(account, { now, elapsedMs: elapsed, round: 1, counters: hasMachine ? counters : undefined });
        account.diskMb = diskMb;
        for (const [day, usage] of Object.entries(before))
          for (const [name, value] of Object.entries(usage))
            expect(account.days[day]?.[name as keyof Usage]).toBeGreaterThanOrEqual(value);
      }
      const days = Object.values(account.days);
      for (const name of Object.keys(expected) as (keyof Usage)[]) {
        const sum = days.reduce((total, usage) => total + usage[name], 0);
        expect(Math.abs(sum - expected[name])).toBeLessThanOrEqual(expected[name] * 1e-9);
      }
      expect(Object.keys(account.days).every((day) => day <= dayOf(now))).toBe(true);
    }),
    { seed: 10, numRuns: 200 },
  );
});
