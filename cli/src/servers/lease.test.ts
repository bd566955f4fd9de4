import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keepLease, LEASE_SEC } from "./lease.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a lease is renewed well before it runs out, also after a renewal that failed, until it is let go of", async () => {
  const update = vi.fn().mockRejectedValueOnce(new Error("away")).mockResolvedValue(undefined);
  const letGo = keepLease({ update });
  await vi.advanceTimersByTimeAsync(LEASE_SEC * 1000 - 1);
  expect(update.mock.calls).toEqual([[{ leaseSec: LEASE_SEC }], [{ leaseSec: LEASE_SEC }]]);
  letGo();
  await vi.advanceTimersByTimeAsync(LEASE_SEC * 1000);
  expect(update).toHaveBeenCalledTimes(2);
});
