import { WarrenError } from "@warren/contracts/errors";
import { expect, test } from "vitest";
import type { SandboxRecord } from "./journal.ts";
import { Pauser, type PauserParts } from "./pauser.ts";
import { Sandbox } from "./sandbox.ts";
import { DEFAULT_SPEC } from "./spec.ts";

test.each([
  ["agent_error", "the guest agent refused its identity: no", /refused its identity: no\. It stays paused as it was/],
  ["guest_unreachable", "no answer", /did not confirm its identity\. It stays paused as it was/],
  ["disk_full", "no space", /^no space$/],
] as const)("a resume that fails by %s leaves the sandbox paused and says so", async (code, reason, told) => {
  const record = {
    id: "sb",
    status: "paused",
    lastActiveAt: 0,
    snapshot: "s",
    spec: { ...DEFAULT_SPEC, timeoutSec: 1 },
  } as SandboxRecord;
  const sandbox = new Sandbox(structuredClone(record));
  const written: SandboxRecord[] = [];
  const parts = {
    journal: { write: async (each: SandboxRecord) => void written.push(structuredClone(each)) },
    snapshots: { get: () => ({ id: "s" }) },
    space: { requireAccess: async () => undefined },
    room: { require: async () => undefined },
    microvms: { restore: () => Promise.reject(new WarrenError(code, reason)), stop: async () => undefined },
    garbage: { schedule: () => undefined },
  };
  const resumed = new Pauser(parts as unknown as PauserParts).resume(sandbox, 60);
  await expect(resumed).rejects.toMatchObject({ code, message: expect.stringMatching(told) });
  expect(sandbox.lifecycle.status).toBe("paused");
  expect(written).toEqual([record]);
});
