import { WarrenError } from "@warren/contracts/errors";
import type { EndedOperation } from "@warren/server/operation-timing";
import { expect, test } from "vitest";
import { DetachedOperations } from "./detached-operations.ts";

test("what is measured is told with its steps when it ends, and a shutdown waits for it", async () => {
  const operations = new DetachedOperations();
  const told: (EndedOperation & { subject: unknown })[] = [];
  operations.onEnd = (ended, subject) => told.push({ ...ended, subject });
  const host = Promise.withResolvers<string>();
  const pause = operations.run("pause", { sandbox: "sb1" }, (steps) => steps.step("host", () => host.promise));
  const drained = operations.drain(60_000);
  host.resolve("paused");
  expect(await pause).toBe("paused");
  await drained;
  const full = new WarrenError("quota_exceeded", "no more");
  const create = operations.run("create", {}, (steps) => steps.step("admission", () => Promise.reject(full)));
  await expect(create).rejects.toBe(full);
  expect(
    told.map(({ operation, outcome, steps, subject }) => [operation, outcome, [...steps.keys()], subject]),
  ).toEqual([
    ["pause", "ok", ["host"], { sandbox: "sb1" }],
    ["create", "quota_exceeded", ["admission"], {}],
  ]);
});
