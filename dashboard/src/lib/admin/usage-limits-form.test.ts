import { expect, it } from "vitest";
import type { UsageLimits } from "#lib/usage/limits.ts";
import { changeOf, fieldProblem, type Typed, typedOf } from "./usage-limits-form.ts";

const before: UsageLimits = {
  from: "2026-11-01",
  to: "2026-11-30",
  ends_at: "2026-12-01T00:00:00.000Z",
  state: "ok",
  cpu_minutes: { used: 0, warning: 50, limit: 60, state: "ok" },
  memory_mb_minutes: { used: 0, limit: 100, state: "ok" },
  egress_bytes: { used: 0, state: "ok" },
};
const typed = (changed: Partial<Typed> = {}): Typed => ({ ...typedOf(before), ...changed });

it("asks for what was changed alone, in the units of the API, and keeps what is not shown in full", () => {
  expect(changeOf(before, typed())).toBeUndefined();
  expect(typedOf(before).memory_mb_minutes).toEqual({ warning: "", limit: "0.0016" });
  const change = typed({
    cpu_minutes: { warning: "", limit: " 70 " },
    egress_bytes: { warning: "0.5", limit: "2" },
  });
  expect(changeOf(before, change)).toEqual({
    cpu_minutes: { warning: null, limit: 70 },
    egress_bytes: { warning: 2 ** 29, limit: 2 ** 31 },
  });
});

it.each([
  ["cpu_minutes", "warning", "61", "Above the limit"],
  ["cpu_minutes", "limit", "1.5", "A whole number, or nothing"],
  ["egress_bytes", "limit", "-1", "A number, or nothing"],
  ["egress_bytes", "limit", "1.23456", "A number, or nothing"],
  ["egress_bytes", "limit", "999999", "At most 931,322"],
  ["egress_bytes", "limit", "", undefined],
  ["memory_mb_minutes", "limit", "1.5", undefined],
  ["cpu_minutes", "limit", "0", undefined],
] as const)("of %s, %s %j it says %j", (key, level, text, problem) => {
  const changed = typed();
  changed[key] = { ...changed[key], [level]: text };
  expect(fieldProblem(changed, key, level)).toBe(problem);
});
