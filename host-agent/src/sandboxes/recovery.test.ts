import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it, test } from "vitest";
import { startTicks } from "../linux/process-identity.ts";
import { READ_STATE, useFakeHost, writeState } from "../testing/fake-host.ts";
import type { SandboxRecord } from "./record/journal.ts";
import { reasonOf } from "./record/reason.ts";
import { type RecoveryParts, recover } from "./recovery.ts";
import { SandboxRegistry } from "./state/registry.ts";
import type { Sandbox } from "./state/sandbox.ts";

const DISK = { layers: ["shared"], base: { path: "/b", format: "raw", virtualSize: 4096 } };
const RUNNING = {
  id: "sb",
  instance: "sb",
  purpose: "sandbox",
  status: "running",
  lastActiveAt: 0,
  slot: 7,
  disk: { ...DISK, layers: ["top", "shared"] },
  snapshot: "s",
  ownSnapshot: false,
};
const PAUSED = {
  id: "sb",
  instance: "sb",
  purpose: "sandbox",
  status: "paused",
  lastActiveAt: 0,
  snapshot: "s",
  disk: DISK,
};

/** Takes up one record and gives what was done about it. */
async function takeUp(record: object, isAlive: boolean, stuck?: Error) {
  const done: string[] = [];
  const logged: { level: number; err?: { message: string } }[] = [];
  const orStuck = async () => {
    if (stuck) throw stuck;
  };
  const registry = new SandboxRegistry({ memoryOvercommit: 1, sandboxes: 10 }, () => 0);
  const note = (what: string) => async (sandbox: Sandbox) => void done.push(`${what} ${sandbox.record.status}`);
  const unreadable = stuck ? [{ instance: "debris", reason: "no record" }] : [];
  const vm = { resume: async () => void done.push("resume") };
  const parts = {
    journal: {
      load: async () => ({ records: [structuredClone(record) as SandboxRecord], unreadable }),
      write: async ({ status }: SandboxRecord) => void done.push(`write ${status}`),
      remove: orStuck,
    },
    slots: {
      sweep: (used: Set<number>) => {
        done.push(`sweep all but ${[...used].join()}`);
        return orStuck();
      },
    },
    registry,
    microvms: {
      adopt: async (sandbox: Sandbox) => {
        if (!isAlive) return undefined;
        sandbox.attach(Object.assign(sandbox.begin(), { vm }) as never);
        return sandbox.live;
      },
    },
    snapshotter: { release: async () => undefined },
    snapshots: { has: (id: string) => id === "s", get: () => ({ disk: DISK }) },
    pauser: { returnToLastPause: note("back to the last pause from") },
    remover: { remove: note("remove"), end: note("end") },
    inactivity: { watch: () => undefined },
    garbage: { collect: orStuck },
    log: pino({}, { write: (line) => void logged.push(JSON.parse(line)) }),
  };
  const left = await recover(parts as unknown as RecoveryParts);
  const [sandbox] = registry.list();
  const errors = logged.filter(({ level }) => level >= 50).map(({ err }) => err?.message);
  return { done, sandbox, errors, left };
}

it.each<[string, object, boolean, string[]]>([
  ["runs", RUNNING, true, ["resume", "write running"]],
  ["was in the middle of a pause", { ...RUNNING, status: "pausing" }, true, ["resume", "write running"]],
  ["has lost its microVM", RUNNING, false, ["end running"]],
  ["has lost it in a pause", { ...RUNNING, status: "pausing" }, false, ["end pausing"]],
  ["has lost it after a pause", { ...RUNNING, ownSnapshot: true }, false, ["back to the last pause from running"]],
  ["was resuming", { ...RUNNING, status: "resuming" }, true, ["back to the last pause from resuming"]],
  ["is paused", PAUSED, false, []],
  ["is paused and has yet to leave its microVM", { ...PAUSED, slot: 7 }, true, ["back to the last pause from paused"]],
  [
    "is paused with a disk that was to be merged",
    { ...PAUSED, disk: { ...DISK, layers: ["shared", "merged"] } },
    false,
    ["back to the last pause from paused"],
  ],
  ["was starting", { ...RUNNING, status: "starting" }, true, ["remove starting"]],
  ["was being destroyed", { ...RUNNING, status: "stopping" }, true, ["remove stopping"]],
  [
    "was ending by itself",
    { ...RUNNING, status: "stopping", reason: reasonOf("microvm_lost", "") },
    false,
    ["end stopping"],
  ],
  ["stood ready for somebody", { ...RUNNING, purpose: "pool" }, true, ["remove running"]],
])("takes up a sandbox that %s", async (_, record, isAlive, expected) => {
  const { done } = await takeUp(record, isAlive);
  expect(done.slice(0, -1)).toEqual(expected);
  expect(done.at(-1)).toMatch(/^sweep/);
});

it("keeps the vCPUs of a sandbox still that is held for the sake of the disk", async () => {
  const { done, sandbox } = await takeUp({ ...RUNNING, reason: reasonOf("host_disk_full", "full") }, true);
  expect(done).toEqual(["write running", "sweep all but 7"]);
  expect(sandbox).toMatchObject({ status: "paused", reason: { code: "host_disk_full" } });
});

it("takes up sandboxes although debris of others cannot be removed, says so in the log, and tells who ends all", async () => {
  const { done, sandbox, errors, left } = await takeUp(RUNNING, true, new Error("stuck"));
  expect(done).toEqual(["resume", "write running", "sweep all but 7"]);
  expect(sandbox).toMatchObject({ status: "running" });
  // The directory, the slots, and what no sandbox needs.
  expect(errors).toEqual(["stuck", "stuck", "stuck"]);
  for (const clear of left) await expect(clear()).rejects.toThrow("stuck");
  expect(left).toHaveLength(3);
});

describe("on a host", () => {
  const host = useFakeHost();

  /** Lets the host agent end, breaks something and starts the next one. */
  async function restart(meanwhile: () => Promise<void> | void = () => undefined): Promise<void> {
    await host().sandboxes.release();
    await meanwhile();
    await host().reopen();
  }

  /** The process of a microVM, when its host agent has let go of it too. */
  function pidOf(id: string): number {
    const path = join(host().directory, "sandboxes", id, "sandbox.json");
    return JSON.parse(readFileSync(path, "utf8")).process.pid;
  }

  /** Kills a process and waits until it is gone. */
  async function killed(pid: number): Promise<void> {
    process.kill(pid, "SIGKILL");
    await expect.poll(() => startTicks(pid)).toBeUndefined();
  }

  test("a sandbox that runs is taken up with the process that it had", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const pid = host().pid(id);
    await restart();
    expect(host().pid(id)).toBe(pid);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("a layer that was named and not made when the host agent ended is none of the disk: later pauses keep all", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await restart(() => {
      const path = join(host().directory, "sandboxes", id, "sandbox.json");
      const record = JSON.parse(readFileSync(path, "utf8"));
      record.disk.layers.unshift("0".repeat(32));
      writeFileSync(path, JSON.stringify(record));
    });
    await host().sandboxes.createTemplate(id, "team", "unmade", false);
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("a sandbox that is paused stays so, and can be resumed", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await restart();
    expect(host().sandboxes.get(id).status).toBe("paused");
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("a sandbox whose microVM ended meanwhile is back at its last pause, and says why", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    await host().run(id, writeState(2));
    const pid = host().pid(id);
    await restart(() => killed(pid));
    expect(host().sandboxes.get(id)).toMatchObject({ status: "paused", reason: { code: "microvm_lost" } });
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("one that was never paused has ended, with the reason, until somebody destroys it", async () => {
    const id = await host().create();
    const pid = host().pid(id);
    await restart(() => killed(pid));
    await restart();
    expect(host().sandboxes.stopped()).toMatchObject([{ id, reason: { code: "microvm_lost" } }]);
    expect(() => host().sandboxes.get(id)).toThrow(/its microVM had ended/);
    await host().sandboxes.destroy(id);
    await restart();
    expect(host().sandboxes.stopped()).toEqual([]);
  });

  test("a directory without a record that cannot be removed is no hindrance, and goes with the sandboxes once it can", async () => {
    const id = await host().create();
    const debris = join(host().directory, "sandboxes/debris");
    await restart(() => {
      mkdirSync(debris);
      // A directory on which something is mounted cannot be removed.
      execFileSync("mount", ["-t", "tmpfs", "none", debris]);
    }).finally(() => execFileSync("umount", [debris]));
    expect(await host().run(id, "echo on")).toBe("on\n");
    expect(existsSync(debris)).toBe(true);
    await host().sandboxes.destroyAll();
    expect(existsSync(debris)).toBe(false);
    await host().reopen();
  });

  describe("what a microVM held cannot be cleared away", () => {
    afterEach(() => {
      host().keepsSlots = false;
    });

    test("of one sandbox, the others are taken up; it says how it ended, and is destroyed once it can be", async () => {
      const [lost, other] = [await host().create(), await host().create()];
      await restart(async () => {
        await killed(pidOf(lost));
        host().keepsSlots = true;
      });
      expect(await host().run(other, "echo on")).toBe("on\n");
      expect(host().sandboxes.get(lost)).toMatchObject({ status: "stopped", reason: { code: "microvm_lost" } });
      expect(host().sandboxes.get(lost).reason?.message).toMatch(/could not be cleared away/);
      expect(host().sandboxes.get(lost).record.slot).toBeDefined();
      await expect(host().sandboxes.destroy(lost)).rejects.toThrow(/cannot be given back/);
      host().keepsSlots = false;
      await host().sandboxes.destroy(lost);
      expect(
        host()
          .sandboxes.list()
          .map(({ id }) => id),
      ).toEqual([other]);
    });

    test("of one that was paused before, it is back at its last pause and resumes once it can", async () => {
      const id = await host().create();
      await host().run(id, writeState(1));
      await host().sandboxes.pause(id);
      await host().sandboxes.resume(id);
      await restart(async () => {
        await killed(pidOf(id));
        host().keepsSlots = true;
      });
      expect(host().sandboxes.get(id)).toMatchObject({ status: "paused", reason: { code: "microvm_lost" } });
      await expect(host().sandboxes.resume(id)).rejects.toThrow(/could not be cleared away/);
      host().keepsSlots = false;
      await host().sandboxes.resume(id);
      expect(await host().run(id, READ_STATE)).toBe("1\n");
    });

    test("of two that have one id, both are kept, and removed once they can be", async () => {
      const [id, other] = [await host().create(), await host().create()];
      const copy = `${id}x`;
      await restart(async () => {
        await killed(pidOf(id));
        const directory = join(host().directory, "sandboxes");
        cpSync(join(directory, id), join(directory, copy), { recursive: true });
        for (const instance of [id, copy]) {
          const path = join(directory, instance, "sandbox.json");
          const record = JSON.parse(readFileSync(path, "utf8"));
          const slot = record.slot + (instance === copy ? 2 : 0);
          writeFileSync(path, JSON.stringify({ ...record, instance, slot, status: "starting" }));
        }
        host().keepsSlots = true;
      });
      expect(await host().run(other, "echo on")).toBe("on\n");
      const records = () =>
        host()
          .files()
          .filter((path) => path.startsWith(`sandboxes/${id}`));
      expect(records().length).toBeGreaterThan(1);
      host().keepsSlots = false;
      await host().sandboxes.destroyAll();
      expect(records()).toEqual([]);
      await host().reopen();
    });

    test.each(["pool", "sandbox"])(
      "of a %s one that nobody was promised, whoever ends all is told",
      async (purpose) => {
        const id = await host().create();
        await restart(async () => {
          await killed(pidOf(id));
          const path = join(host().directory, "sandboxes", id, "sandbox.json");
          const record = JSON.parse(readFileSync(path, "utf8"));
          writeFileSync(path, JSON.stringify({ ...record, purpose, status: "starting" }));
          host().keepsSlots = true;
        });
        await expect(host().sandboxes.destroyAll()).rejects.toThrow(/cannot be given back/);
        await expect(host().sandboxes.endAll(reasonOf("ended_by_operator", ""))).rejects.toThrow(
          /cannot be given back/,
        );
        host().keepsSlots = false;
        await host().sandboxes.destroyAll();
        expect(
          host()
            .files()
            .filter((path) => path.includes("sandbox.json")),
        ).toEqual([]);
        await host().reopen();
      },
    );
  });

  test("a directory without a record is removed", async () => {
    await restart(() => {
      mkdirSync(join(host().directory, "sandboxes/debris"), { recursive: true });
      writeFileSync(join(host().directory, "sandboxes/debris/sandbox.json"), "half a rec");
    });
    expect(
      host()
        .files()
        .filter((path) => path.includes("debris")),
    ).toEqual([]);
  });
});
