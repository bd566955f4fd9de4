import { beforeEach, describe, expect, it, test } from "vitest";
import { startTicks } from "../../linux/process-identity.ts";
import { useFakeHost } from "../../testing/fake-host.ts";
import type { SandboxRecord } from "../record/journal.ts";
import { reasonOf } from "../record/reason.ts";
import { SandboxRegistry } from "../state/registry.ts";
import { Sandbox } from "../state/sandbox.ts";
import { newSandbox } from "../testing/new-sandbox.ts";
import { Remover, type RemoverParts } from "./remover.ts";

/** What happened, in order: records as they were written, and what else was done. */
let done: (string | Record<string, unknown>)[];
let stopFails: boolean;
let registry: SandboxRegistry;
let remover: Remover;
let sandbox: Sandbox;

beforeEach(() => {
  done = [];
  stopFails = false;
  registry = new SandboxRegistry({ memoryOvercommit: 1, sandboxes: 10 }, () => 0);
  const parts = {
    registry,
    journal: {
      write: async (record: SandboxRecord) => void done.push(structuredClone({ ...record })),
      clear: async () => void done.push("clear"),
      remove: async () => void done.push("remove"),
    },
    microvms: {
      stop: async () => {
        done.push("stop");
        if (stopFails) throw new Error("it withstands");
      },
    },
    inactivity: { forget: () => undefined },
    garbage: { schedule: () => undefined },
  };
  remover = new Remover(parts as unknown as RemoverParts);
  const disk = { layers: ["a", "b"], base: { path: "/b", format: "raw", virtualSize: 4096 } };
  const state = { id: "sb", instance: "sb", purpose: "sandbox", status: "running", lastActiveAt: 0 };
  const record = { ...state, slot: 7, token: "secret", snapshot: "s", ownSnapshot: false, disk };
  sandbox = new Sandbox(record as unknown as SandboxRecord);
  registry.add(sandbox);
});

it("writes that a sandbox goes before anything of it does, and removes the record last", async () => {
  await remover.remove(sandbox);
  expect(done).toMatchObject([{ status: "stopping", slot: 7 }, "stop", "remove"]);
  expect(sandbox.status).toBe("gone");
  expect(registry.list()).toEqual([]);
  await remover.remove(sandbox);
  expect(done).toHaveLength(3);
});

it("keeps the record of a sandbox that does not go, and can be asked again", async () => {
  stopFails = true;
  await expect(remover.remove(sandbox)).rejects.toThrow("it withstands");
  expect(done).not.toContain("remove");
  expect(sandbox.status).toBe("stopping");
  expect(registry.list()).toEqual([sandbox]);
  stopFails = false;
  await remover.remove(sandbox);
  expect(done.at(-1)).toBe("remove");
  expect(registry.list()).toEqual([]);
});

it("keeps of a sandbox that ended by itself how it ended, and neither its secret nor its disk", async () => {
  const reason = reasonOf("microvm_lost", "its microVM was killed or failed");
  await remover.end(sandbox, reason);
  const left = { status: "stopped", reason, token: "", disk: { layers: [] } };
  expect(done).toMatchObject([{ status: "stopping", reason, token: "secret" }, "stop", "clear", left]);
  expect(done.at(-1)).not.toHaveProperty("snapshot");
  expect(sandbox).toMatchObject({ status: "stopped", reason });
  expect(registry.stopped()).toEqual([sandbox]);
  await remover.remove(sandbox);
  expect(registry.stopped()).toEqual([]);
});

describe("on a host", () => {
  const host = useFakeHost();

  test("nothing is left of sandboxes that are destroyed, in whatever state", async () => {
    const kept = async () => {
      await host().clear();
      // The next host agent removes what nobody needs.
      await host().sandboxes.release();
      await host().reopen();
      return host().files();
    };
    await host().create();
    const before = await kept();
    const [running, paused, resumed] = [await host().create(), await host().create(), await host().create()];
    await host().sandboxes.pause(paused);
    await host().sandboxes.pause(resumed);
    await host().sandboxes.resume(resumed);
    const pids = [running, resumed].map((id) => host().pid(id));
    await Promise.all([running, paused, resumed].map((id) => host().sandboxes.destroy(id)));
    for (const pid of pids) expect(await startTicks(pid)).toBeUndefined();
    expect(host().sandboxes.list()).toEqual([]);
    expect(await kept()).toEqual(before);
  });

  test("a command in a sandbox that is destroyed ends with the news", async () => {
    const id = await host().create();
    const { ended } = await host().begin(id, "sleep 600");
    await host().sandboxes.destroy(id);
    await expect(ended).rejects.toMatchObject({ code: "not_found" });
  });

  test("a sandbox that is destroyed while it is made is gone, and its id free again", async () => {
    const id = host().newId();
    const made = host().sandboxes.create(newSandbox(id));
    const failed = expect(made).rejects.toMatchObject({ code: "not_found" });
    await host().sandboxes.destroy(id);
    await failed;
    expect(() => host().sandboxes.get(id)).toThrow(/no sandbox/);
  });

  test("a destroy of what is not there is no error", async () => {
    await host().sandboxes.destroy(host().newId());
  });
});
