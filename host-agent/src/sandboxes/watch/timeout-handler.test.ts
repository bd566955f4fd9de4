import { expect, test } from "vitest";
import type { SandboxRecord } from "../record/journal.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";
import { Sandbox } from "../state/sandbox.ts";
import { handleTimeout, type TimeoutParts } from "./timeout-handler.ts";

test("a pause that is asked for is made, also when the sandbox was found inactive before and is in use again", async () => {
  const spec = { ...DEFAULT_SPEC, timeoutSec: 1 };
  const sandbox = new Sandbox({ id: "sb", status: "running", lastActiveAt: 0, spec } as SandboxRecord);
  const parts = { log: { info: () => undefined } } as unknown as TimeoutParts;
  const before = Promise.withResolvers<void>();
  void sandbox.lifecycle.perform("fork", () => before.promise);
  const looked = handleTimeout(parts, sandbox);
  sandbox.touch();
  let pauses = 0;
  const paused = sandbox.lifecycle.perform("pause", async () => {
    pauses += 1;
  });
  before.resolve();
  await Promise.all([looked, paused]);
  expect(pauses).toBe(1);
});

test("what was changed while it was found inactive holds", async () => {
  const spec = { ...DEFAULT_SPEC, timeoutSec: 1, onTimeout: "destroy" as const };
  const sandbox = new Sandbox({ id: "sb", status: "running", lastActiveAt: 0, spec } as SandboxRecord);
  const done: string[] = [];
  const parts = {
    pauser: { pause: async () => void done.push("paused") },
    remover: { end: async () => void done.push("destroyed") },
    log: { info: () => undefined },
  } as unknown as TimeoutParts;
  const before = Promise.withResolvers<void>();
  void sandbox.lifecycle.perform("update", async () => {
    await before.promise;
    sandbox.record.spec = { ...spec, onTimeout: "pause" };
  });
  const looked = handleTimeout(parts, sandbox);
  before.resolve();
  await looked;
  expect(done).toEqual(["paused"]);
});
