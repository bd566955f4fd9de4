import { afterEach, describe, expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import { newSandbox } from "../testing/new-sandbox.ts";

const host = useFakeHost();

/** Ids of sandboxes that are told to have changed by themselves, from the next turn on. */
async function nextChange(): Promise<string[]> {
  const over = new AbortController();
  for await (const ids of host().sandboxes.watch(over.signal)) if (ids.length > 0) return ids;
  throw new Error("the watch ended");
}

test("a sandbox whose microVM is killed is back at its last pause, and whoever watches is told", async () => {
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.pause(id);
  await host().sandboxes.resume(id);
  const change = nextChange();
  process.kill(host().pid(id), "SIGKILL");
  expect(await change).toEqual([id]);
  expect(host().sandboxes.get(id)).toMatchObject({ status: "paused", reason: { code: "microvm_lost" } });
  await host().sandboxes.resume(id);
  expect(await host().run(id, READ_STATE)).toBe("1\n");
  expect(host().sandboxes.get(id).reason).toBeUndefined();
});

test.each([
  ["poweroff", "guest_powered_off"],
  ["reboot", "guest_rebooted"],
  ["panic", "guest_panicked"],
])("a guest that was never paused and ends by %s has ended for good", async (program, code) => {
  const id = await host().create();
  const command = host().exec(id, program);
  await expect(command).rejects.toThrow();
  await expect
    .poll(() =>
      host()
        .sandboxes.stopped()
        .map((each) => each.reason?.code),
    )
    .toEqual([code]);
  // Its id is taken until it is known to have ended.
  await expect(host().sandboxes.create(newSandbox(id))).rejects.toMatchObject({ code: "already_exists" });
});

describe("what a microVM held cannot be cleared away", () => {
  afterEach(() => {
    host().keepsSlots = false;
  });

  test("a sandbox that was paused before is paused, and resumes once it can", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    host().keepsSlots = true;
    const change = nextChange();
    process.kill(host().pid(id), "SIGKILL");
    await change;
    await expect(host().sandboxes.resume(id)).rejects.toThrow(/could not be cleared away/);
    expect(host().sandboxes.get(id)).toMatchObject({ status: "paused", reason: { code: "microvm_lost" } });
    host().keepsSlots = false;
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("a sandbox that was never paused has ended, and can be destroyed once it can", async () => {
    const id = await host().create();
    host().keepsSlots = true;
    const change = nextChange();
    process.kill(host().pid(id), "SIGKILL");
    await change;
    await expect(host().sandboxes.destroy(id)).rejects.toThrow(/cannot be given back/);
    await expect(host().sandboxes.resume(id)).rejects.toMatchObject({ code: "invalid_state" });
    expect(host().sandboxes.get(id)).toMatchObject({ status: "stopped", reason: { code: "microvm_lost" } });
    host().keepsSlots = false;
    await host().sandboxes.destroy(id);
    expect(() => host().sandboxes.get(id)).toThrow(/no sandbox/);
  });
});
