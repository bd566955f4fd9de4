import { setTimeout } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import { expect, test } from "vitest";
import { logOperation, OperationTiming } from "./operation-timing.ts";

test("an operation says how long it and each of its steps took, in their order", async () => {
  const timing = new OperationTiming("pause");
  await timing.step("freeze", () => setTimeout(20));
  const copied = await timing.step("memory", async () => "copied");
  await timing.step("freeze", () => setTimeout(20));
  timing.note({ dirtyPages: 3 });
  const ended = timing.end();
  expect(copied).toBe("copied");
  expect([...ended.steps.keys()]).toEqual(["freeze", "memory"]);
  expect(ended.steps.get("freeze")).toBeGreaterThanOrEqual(38);
  expect(ended.ms).toBeGreaterThanOrEqual(ended.steps.get("freeze")!);
  expect(ended).toMatchObject({ operation: "pause", outcome: "ok", figures: { dirtyPages: 3 } });
});

test("one that fails says with which code, and its last step is where", async () => {
  const timing = new OperationTiming("create");
  await timing.step("admit", () => undefined);
  const full = new WarrenError("host_full", "no room");
  await expect(timing.step("network", () => Promise.reject(full))).rejects.toBe(full);
  const ended = timing.end(full);
  expect(ended.outcome).toBe("host_full");
  expect([...ended.steps.keys()].at(-1)).toBe("network");
  expect(timing.end(new TypeError("a fault")).outcome).toBe("internal_error");
});

test("its line has all times in milliseconds, to a tenth", async () => {
  const lines: object[] = [];
  const steps = new Map([["freeze", 12.3456]]);
  const ended = { operation: "pause", outcome: "ok", ms: 100.04, steps, figures: { dirtyPages: 3 } } as const;
  logOperation({ info: (fields) => lines.push(fields) }, ended, { sandbox: "sb1" });
  expect(lines).toEqual([
    { sandbox: "sb1", operation: "pause", outcome: "ok", ms: 100, steps: { freeze: 12.3 }, dirtyPages: 3 },
  ]);
});
