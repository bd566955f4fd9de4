import { expect, it } from "vitest";
import { reachedWords } from "./usage-standing.ts";
import { quantityWords } from "./usage-words.ts";

it.each([
  ["cpu_minutes", 52.5, "52.5 min of CPU time"],
  ["cpu_minutes", 90, "1.5 h of CPU time"],
  ["memory_mb_minutes", 6217, "0.1 GiB·h of memory"],
  ["memory_mb_minutes", 122_880_000, "2,000 GiB·h of memory"],
  ["memory_mb_minutes", 10, "< 0.01 GiB·h of memory"],
  ["memory_mb_minutes", 0, "0 GiB·h of memory"],
  ["egress_bytes", 10, "10 B of egress"],
  ["egress_bytes", 5 * 1024 ** 3, "5 GiB of egress"],
] as const)("tells of %s, %d, in the units of the pages", (amount, value, words) => {
  expect(quantityWords(amount, value)).toBe(words);
});

it("a limit that is reached says both figures in one unit", () => {
  const crossing = { amount: "memory_mb_minutes", level: "limit", used: 6217, threshold: 5800 } as const;
  expect(reachedWords(crossing, { from: "2026-11-01", to: "2026-11-30" })).toBe(
    "the team has used 0.1 GiB·h of memory in November 2026 and may use 0.09 GiB·h",
  );
});
