import { expect, test } from "vitest";
import { measureCounterKhz } from "./timestamp-counter.ts";

test("two measurements agree to a ten-thousandth", async () => {
  const [first, second] = [await measureCounterKhz(), await measureCounterKhz()];
  expect(first).toBeGreaterThan(100_000);
  expect(Math.abs(first - second) / first).toBeLessThan(1e-4);
});
