import { WarrenError } from "@warren/contracts/errors";
import { describe, expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import type { SandboxRecord } from "../record/journal.ts";
import { reasonOf } from "../record/reason.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";
import { Sandbox } from "../state/sandbox.ts";
import { Pauser, type PauserParts } from "./pauser.ts";

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
    admission: { require: async (_: Sandbox, onAdmitted: () => void) => onAdmitted() },
    microvms: { restore: () => Promise.reject(new WarrenError(code, reason)), stop: async () => undefined },
    garbage: { schedule: () => undefined },
  };
  const resumed = new Pauser(parts as unknown as PauserParts).resume(sandbox, 60);
  await expect(resumed).rejects.toMatchObject({ code, message: expect.stringMatching(told) });
  expect(sandbox.lifecycle.status).toBe("paused");
  expect(written).toEqual([record]);
});

test("a resume that fails and cannot be cleared away leaves the sandbox paused; the next one clears it away first", async () => {
  const record = { id: "sb", status: "paused", lastActiveAt: 0, snapshot: "s", spec: DEFAULT_SPEC } as SandboxRecord;
  const sandbox = new Sandbox(record);
  const written: SandboxRecord[] = [];
  const done: string[] = [];
  let stops = false;
  const parts = {
    journal: { write: async (each: SandboxRecord) => void written.push(structuredClone(each)) },
    snapshots: { get: () => ({ id: "s" }) },
    space: { requireAccess: async () => undefined },
    admission: {
      require: async (_: Sandbox, onAdmitted: () => void) => {
        done.push(`admit with slot ${written.at(-1)?.slot}`);
        onAdmitted();
      },
    },
    microvms: {
      restore: async () => {
        done.push("restore");
        record.slot = 7;
        throw new WarrenError("boot_failed", "it does not start");
      },
      stop: async () => {
        done.push("stop");
        if (!stops) throw new Error("it withstands");
        delete record.slot;
      },
    },
    garbage: { schedule: () => undefined },
    log: { error: () => undefined },
  };
  const pauser = new Pauser(parts as unknown as PauserParts);
  await expect(pauser.resume(sandbox, undefined)).rejects.toThrow("it does not start");
  expect(sandbox.status).toBe("paused");
  expect(written.at(-1)).toMatchObject({ status: "paused", slot: 7 });
  await expect(pauser.resume(sandbox, undefined)).rejects.toThrow(/could not be cleared away/);
  const admitted = "admit with slot undefined";
  expect(done).toEqual([admitted, "restore", "stop", "stop"]);
  stops = true;
  await expect(pauser.resume(sandbox, undefined)).rejects.toThrow("it does not start");
  // What is cleared away is in the record no longer when another may get it.
  expect(done).toEqual([admitted, "restore", "stop", "stop", "stop", admitted, "restore", "stop"]);
  expect(sandbox.record).toMatchObject({ status: "paused" });
  expect(sandbox.record).not.toHaveProperty("slot");
});

test("a pause that fails leaves the sandbox running, and for the reason that it had", async () => {
  const reason = reasonOf("out_of_memory", "its memory ran out");
  const record = { id: "sb", status: "running", lastActiveAt: 0, spec: DEFAULT_SPEC, reason } as SandboxRecord;
  const sandbox = new Sandbox(structuredClone(record));
  const written: SandboxRecord[] = [];
  const journal = {
    write: async (each: SandboxRecord) => {
      if (each.status === "paused") throw new Error("no space");
      written.push(structuredClone(each));
    },
  };
  const parts = {
    journal,
    snapshots: { reserve: () => ({ id: "s", release: () => undefined }) },
    snapshotter: {
      stopAndCopy: async () => ({ publish: async () => ({ id: "s" }) }),
      release: async () => undefined,
    },
    garbage: { schedule: () => undefined },
  };
  await expect(new Pauser(parts as unknown as PauserParts).pause(sandbox)).rejects.toThrow("no space");
  expect(sandbox.record).toEqual(record);
  expect(written.at(-1)).toEqual(record);
});

describe("on a host", () => {
  const host = useFakeHost();

  test("a sandbox goes on where it was paused, over more pauses than layers are kept of its disk", async () => {
    const id = await host().create();
    for (let state = 1; state <= 10; state++) {
      await host().run(id, writeState(state));
      await host().sandboxes.pause(id);
      const { record } = host().sandboxes.get(id);
      expect(record).toMatchObject({ status: "paused", ownSnapshot: true });
      expect(record.process).toBeUndefined();
      expect(record.disk.layers.length).toBeLessThanOrEqual(8);
      await host().sandboxes.resume(id);
      expect(await host().run(id, READ_STATE)).toBe(`${state}\n`);
    }
  });

  test("a sandbox that is rolled back has what it had at its last pause", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    await host().run(id, writeState(2));
    expect((await host().sandboxes.rollback(id)).status).toBe("paused");
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("one that was never paused has nothing to be rolled back to, and runs on", async () => {
    const id = await host().create();
    await expect(host().sandboxes.rollback(id)).rejects.toMatchObject({ code: "invalid_state" });
    expect(await host().run(id, "echo on")).toBe("on\n");
  });

  test("a pause ends the commands that are under way", async () => {
    const id = await host().create();
    const { ended } = await host().begin(id, "sleep 600");
    await host().sandboxes.pause(id);
    await expect(ended).rejects.toMatchObject({ code: "invalid_state" });
  });

  test("a pause that is asked for twice is made once", async () => {
    const id = await host().create();
    await Promise.all([host().sandboxes.pause(id), host().sandboxes.pause(id)]);
    expect(host().sandboxes.get(id).status).toBe("paused");
  });

  test("a resume may give it another time until it is paused", async () => {
    const id = await host().create();
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id, 77);
    expect(host().sandboxes.get(id).record.spec.timeoutSec).toBe(77);
  });
});
