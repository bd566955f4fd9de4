import { mkdirSync, rmSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { describe, expect, test, vi } from "vitest";
import { DiskLayers } from "../../disk/layers.ts";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import type { SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { Sandbox } from "../state/sandbox.ts";
import { Snapshotter, type SnapshotterParts } from "./snapshotter.ts";

describe("on a host whose disk is full", () => {
  const host = useFakeHost({ WARREN_DISK_LIMIT_GB: "0.1" });
  /** One copy; rejects with what it was refused for. */
  async function fork(id: string): Promise<void> {
    const [copy] = await host().sandboxes.fork(id, [host().newId()]);
    if (copy instanceof Error) throw copy;
  }

  test.each([
    ["a pause", "host_disk_full", (id: string) => host().sandboxes.pause(id)],
    ["a template", "host_disk_full", (id: string) => host().sandboxes.createTemplate(id, "team", "full", false)],
    // As any new sandbox is.
    ["a copy", "host_full", fork],
  ])(
    "%s is refused and leaves the sandbox running as it was, and is made once there is space",
    async (_, code, make) => {
      const id = await host().create();
      await host().run(id, writeState(1));
      const filler = join(host().directory, "snapshots/filler");
      await host().sandboxes.release();
      await writeFile(filler, Buffer.alloc(110 * 1024 ** 2, 1));
      await host().reopen();
      await expect(make(id)).rejects.toMatchObject({ code });
      expect(host().sandboxes.get(id).status).toBe("running");
      expect(await host().run(id, READ_STATE)).toBe("1\n");
      await host().run(id, writeState(2));
      await rm(filler);
      await expect
        .poll(
          () =>
            make(id).then(
              () => "made",
              ({ code }) => code,
            ),
          { interval: 500 },
        )
        .toBe("made");
    },
  );
});

describe("on a host", () => {
  const host = useFakeHost();

  /** Files of guest memory. */
  const memory = () =>
    host()
      .files()
      .filter((path) => path.startsWith("memory/"));

  test("nothing is kept of a copy whose disk cannot be closed, and the sandbox runs on", async () => {
    await host().create();
    await host().clear();
    const before = memory();
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    const { instance, disk } = host().sandboxes.get(id).record;
    // Where the former file of the layer is to go.
    const taken = join(host().directory, "sandboxes", instance, "jail", `${disk.layers[0]}.qcow2`);
    mkdirSync(taken);
    await expect(host().sandboxes.fork(id, [host().newId()])).rejects.toThrow();
    rmSync(taken, { recursive: true });
    expect(await host().run(id, "cat /dev/shm/state")).toBe("1\n");
    await host().sandboxes.destroy(id);
    await expect.poll(memory).toEqual(before);
  });

  test("a copy for which no layer could be made leaves a sandbox that can be paused", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const making = vi.spyOn(DiskLayers.prototype, "createTop").mockRejectedValueOnce(new Error("no space"));
    await expect(host().sandboxes.createTemplate(id, "team", "failed", false)).rejects.toThrow("no space");
    making.mockRestore();
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("a pause makes all durable that its microVM has written, below a copy that did not come about too", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const { layers } = host().sandboxes.get(id).record.disk;
    const stacking = vi.spyOn(DiskLayers.prototype, "close").mockRejectedValueOnce(new Error("no"));
    await expect(host().sandboxes.createTemplate(id, "team", "failed", false)).rejects.toThrow("no");
    stacking.mockRestore();
    const syncing = vi.spyOn(DiskLayers.prototype, "sync");
    await host().sandboxes.pause(id);
    expect(syncing.mock.calls.flat()).toContain(layers[0]);
    syncing.mockRestore();
  });

  test("a sandbox goes on over many copies of it, each with what it had then", async () => {
    const id = await host().create();
    for (const state of [1, 2, 3]) {
      await host().run(id, writeState(state));
      await host().sandboxes.createTemplate(id, "team", `at-${state}`, false);
    }
    await host().run(id, writeState(4));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("4\n");
    for (const state of [1, 2, 3]) {
      const copy = await host().create({ template: `at-${state}` });
      expect(await host().run(copy, READ_STATE)).toBe(`${state}\n`);
    }
  });

  test("a copy outlives what it was made of, whose disk goes on changing", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const copy = host().newId();
    await host().sandboxes.fork(id, [copy]);
    await host().run(id, writeState(2));
    await host().sandboxes.destroy(id);
    await host().sandboxes.pause(copy);
    await host().sandboxes.resume(copy);
    expect(await host().run(copy, READ_STATE)).toBe("1\n");
  });
});

describe("the release of a sandbox that stands still", () => {
  const ending = new AbortController();
  const warnings: string[] = [];
  const log = { warn: (_: unknown, message: string) => void warnings.push(message) } as unknown as Logger;
  const snapshotter = new Snapshotter({ ending: ending.signal, log } as SnapshotterParts);
  const stopped = (unfreeze: (signal: AbortSignal) => Promise<void>) => {
    const done: string[] = [];
    const sandbox = new Sandbox({ id: "sb", status: "running" } as SandboxRecord);
    const live = {
      vm: { resume: async () => void done.push("resume") },
      guest: {
        unfreeze: async (signal: AbortSignal) => {
          done.push("unfreeze");
          await unfreeze(signal);
        },
      },
    };
    sandbox.begin();
    sandbox.attach(live as unknown as LiveMicrovm);
    return { sandbox, done };
  };

  test("asks a guest that does not confirm it once more, and succeeds whatever that says", async () => {
    const { sandbox, done } = stopped(() => Promise.reject(new Error("no")));
    await snapshotter.release(sandbox);
    expect(done).toEqual(["resume", "unfreeze", "unfreeze"]);
    expect(warnings).toEqual(["a guest did not confirm that its processes run on"]);
  });

  test("waits for no guest once a destroy is asked for", async () => {
    const { sandbox } = stopped(
      (signal) =>
        new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    );
    const released = sandbox.lifecycle.perform("release", () => snapshotter.release(sandbox));
    const destroyed = sandbox.lifecycle.perform("destroy", async () => undefined);
    await Promise.all([released, destroyed]);
  });
});
