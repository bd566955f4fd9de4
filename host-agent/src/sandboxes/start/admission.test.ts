import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";
import type { SandboxRecord } from "../record/journal.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";
import { SandboxRegistry } from "../state/registry.ts";
import { Sandbox } from "../state/sandbox.ts";
import { Admission } from "./admission.ts";
import type { WarmPool } from "./warm-pool.ts";

const host = useFakeHost({ WARREN_MAX_SANDBOXES: "1" });

test("a sandbox for which there is no room is refused, leaves nothing, and is made once another one is paused", async () => {
  const id = await host().create();
  await expect(host().create()).rejects.toMatchObject({ code: "host_full" });
  expect(
    host()
      .sandboxes.list()
      .map((sandbox) => sandbox.id),
  ).toEqual([id]);
  await host().sandboxes.pause(id);
  const other = await host().create();
  // It stays paused, and can be resumed when there is room again.
  await expect(host().sandboxes.resume(id)).rejects.toMatchObject({ code: "host_full" });
  expect(host().sandboxes.get(id).status).toBe("paused");
  await host().sandboxes.destroy(other);
  await host().sandboxes.resume(id);
});

test("of two that are asked for at once where there is room for one, one is made", async () => {
  const results = await Promise.allSettled([host().create(), host().create()]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect(host().sandboxes.list()).toHaveLength(1);
});

test("of two that are resumed at once in the room of one that stood ready, one is", async () => {
  const registry = new SandboxRegistry({ memoryOvercommit: 1, sandboxes: 1 }, () => 0);
  const [ready, one, other] = ["running", "paused", "paused"].map((status, index) => {
    const record = { id: `sb${index}`, status, purpose: "sandbox", spec: DEFAULT_SPEC };
    const sandbox = new Sandbox(record as SandboxRecord);
    registry.add(sandbox);
    return sandbox;
  }) as [Sandbox, Sandbox, Sandbox];
  const evict = async () => {
    registry.remove(ready);
    return true;
  };
  const admission = new Admission(registry, { evict } as WarmPool);
  const resume = (sandbox: Sandbox) => admission.require(sandbox, () => sandbox.moveTo("resuming"));
  const results = await Promise.allSettled([resume(one), resume(other)]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});
