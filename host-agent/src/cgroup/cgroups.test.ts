import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, type TestContext, test } from "vitest";
import type { Cgroup, CgroupLimits, Cgroups } from "./cgroup.ts";
import { detectCgroups } from "./detect.ts";
import { DeviceProgram } from "./device-program.ts";
import { VMM_DEVICES } from "./devices.ts";
import { readHierarchies } from "./hierarchy.ts";
import { createV1Cgroups } from "./v1.ts";
import { createV2Cgroups } from "./v2.ts";

const MIB = 1024 * 1024;
const LIMITS = { memoryBytes: 64 * MIB, tasks: 20, cpus: 0.5 };
/** Apart from the groups of host agents on this machine. */
const PARENT = `warren-test-${process.pid}`;

const hierarchies = await readHierarchies();
const v1 = hierarchies.filter(({ version, controllers }) => version === "v1" && controllers.length > 0);
const [v2] = hierarchies.filter(({ version }) => version === "v2");

let groups = 0;

async function makeGroup(cgroups: Cgroups, limits: CgroupLimits = LIMITS): Promise<Cgroup> {
  groups += 1;
  const group = cgroups.group(`${PARENT}/sb${groups}`);
  onTestFinished(async () => {
    await group.kill();
    await group.remove();
  });
  await group.create(limits);
  return group;
}

/** A shell that enters the group and then does as it is told on its standard input. */
async function enter(group: Cgroup): Promise<{ child: ChildProcess; ended: Promise<unknown[]> }> {
  const script = 'for f in "$@"; do echo $$ >"$f"; done; echo in; while read -r line; do eval "$line"; done';
  const child = spawn("/bin/sh", ["-c", script, "sh", ...group.entrances], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return { child, ended };
}

function suite(name: string, cgroups: Cgroups): void {
  describe(name, () => {
    test("a process in the group is listed, killed with its children, and the group goes", async () => {
      const group = await makeGroup(cgroups);
      const { child, ended } = await enter(group);
      child.stdin?.write("sleep 1000 & sleep 1000 & echo forked\n");
      await once(child.stdout as NonNullable<typeof child.stdout>, "data");
      expect(await group.processes()).toContain(child.pid);
      expect(await group.processes()).toHaveLength(3);
      await group.kill();
      await ended;
      expect(await group.processes()).toEqual([]);
      await group.remove();
      for (const directory of group.directories) expect(existsSync(directory)).toBe(false);
    });

    test("groups are listed by name and found again by their directories", async () => {
      const group = await makeGroup(cgroups);
      expect(await cgroups.list(PARENT)).toEqual([`sb${groups}`]);
      const { child } = await enter(group);
      expect(await cgroups.at(group.directories).processes()).toEqual([child.pid]);
    });

    test("what is not there has no processes, and killing and removing it does nothing", async () => {
      const group = cgroups.group(`${PARENT}/never-made`);
      expect(await group.processes()).toEqual([]);
      await group.kill();
      await group.remove();
      expect(await cgroups.list(PARENT)).toEqual([]);
    });

    test("making a group twice keeps what is inside", async () => {
      const group = await makeGroup(cgroups);
      const { child } = await enter(group);
      await group.create(LIMITS);
      expect(await group.processes()).toEqual([child.pid]);
    });

    test("a process in the group opens the devices of a VMM and no other", async () => {
      const group = await makeGroup(cgroups);
      const { child } = await enter(group);
      // A host agent that starts again sets the limits of what it finds.
      await group.create(LIMITS);
      const attempts = ["read -r x </dev/null", ": >/dev/null", ": </dev/urandom", ": >/dev/urandom", ": </dev/zero"];
      const commands = attempts.map((attempt) => `(${attempt}) 2>/dev/null; echo "${attempt} $?"`);
      child.stdin?.write(`${commands.join("; ")}; exit\n`);
      const output = await text(child.stdout as NonNullable<typeof child.stdout>);
      const refused = output.split("\n").filter((line) => line !== "" && !/ [01]$/.test(line));
      expect(refused).toEqual([": >/dev/urandom 2", ": </dev/zero 2"]);
    });

    test("a group may be killed and removed by two at once", async () => {
      for (let round = 0; round < 10; round++) {
        const group = await makeGroup(cgroups);
        const { ended } = await enter(group);
        await Promise.all([group.kill(), cgroups.at(group.directories).kill(), ended.then(() => group.remove())]);
        await group.remove();
      }
    });

    test("one group can go while another is made in the same parent", async () => {
      await Promise.all(
        Array.from({ length: 10 }, async (_, round) => {
          const group = cgroups.group(`${PARENT}/race${round}`);
          await group.create(LIMITS);
          await group.remove();
        }),
      );
      expect(await cgroups.list(PARENT)).toEqual([]);
    });
  });
}

if (v1.length > 0) {
  const cgroups = createV1Cgroups(v1, undefined);
  suite("version 1", cgroups);

  /** Skips a test on a machine whose control groups of version 1 lack a controller. */
  const requires = (controller: string, { skip }: TestContext) =>
    skip(
      !v1.some(({ controllers }) => controllers.includes(controller)),
      `version 1 has no controller ${controller} here`,
    );

  test("version 1 bounds the tasks", async (context) => {
    requires("pids", context);
    const group = await makeGroup(cgroups);
    const pids = group.directories.find((directory) => existsSync(`${directory}/pids.max`));
    expect(await readFile(`${pids}/pids.max`, "utf8")).toBe("20\n");
  });

  test("version 1 bounds the memory", async (context) => {
    requires("memory", context);
    const group = await makeGroup(cgroups);
    const { child, ended } = await enter(group);
    // Doubles a variable until the shell is killed for it.
    child.stdin?.write("x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done\n");
    expect(await ended).toEqual([null, "SIGKILL"]);
  });

  test("version 1 divides a processor by shares, which can change", async (context) => {
    requires("cpu", context);
    const limits = { ...LIMITS, cpus: 1 };
    const groups = [await makeGroup(cgroups, limits), await makeGroup(cgroups, { ...limits, cpuShare: 0.1 })] as const;
    for (const group of groups) {
      const { child } = await enter(group);
      child.stdin?.write("taskset -p 1 $$ >/dev/null; while :; do :; done\n");
    }
    const used = async () =>
      Promise.all(groups.map(async (group) => Number((await group.usage()).cpuMicroseconds ?? 0n)));
    /** Microseconds that each got while both together got a second. */
    const second = async () => {
      const before = await used();
      let got = [0, 0];
      await expect
        .poll(
          async () => {
            got = (await used()).map((now, index) => now - (before[index] ?? 0));
            return (got[0] ?? 0) + (got[1] ?? 0);
          },
          { timeout: 60_000 },
        )
        .toBeGreaterThan(1_000_000);
      return got as [number, number];
    };
    await expect.poll(async () => Math.min(...(await used())), { timeout: 60_000 }).toBeGreaterThan(20_000);
    const [full, background] = await second();
    expect(full).toBeGreaterThan(3 * background);
    await groups[1].setCpuShare(1);
    const [first, other] = await second();
    expect(first).toBeLessThan(2 * other);
  });

  test("version 1 counts processor time and memory", async () => {
    const group = await makeGroup(cgroups);
    const { child } = await enter(group);
    child.stdin?.write("n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done; echo done\n");
    await once(child.stdout as NonNullable<typeof child.stdout>, "data");
    const usage = await group.usage();
    expect(usage.cpuMicroseconds).toBeGreaterThan(0n);
    expect(usage.memoryBytes).toBeGreaterThan(0);
  });
}

if (v2 !== undefined) {
  suite("version 2", createV2Cgroups(v2, undefined, DeviceProgram.load(VMM_DEVICES)));
}

test("this host has what its mounts say", async () => {
  const cgroups = await detectCgroups();
  const controllers = v1.flatMap((hierarchy) => hierarchy.controllers);
  if (["memory", "cpu", "pids"].every((name) => controllers.includes(name))) expect(cgroups.notice).toBeUndefined();
});

test("a host without control groups is told what that means, and microVMs still start", async () => {
  const cgroups = await detectCgroups([]);
  expect(cgroups.version).toBe("none");
  expect(cgroups.notice).toContain("memory");
  const group = cgroups.group("warren/sb1");
  await group.create(LIMITS);
  expect(group.entrances).toEqual([]);
  expect(await group.usage()).toEqual({ cpuMicroseconds: undefined, memoryBytes: undefined });
});

test("a host that lacks a controller is told which one", async () => {
  const pidsOnly = v1.filter(({ controllers }) => controllers.includes("pids"));
  const { notice } = await detectCgroups(pidsOnly);
  expect(notice).toMatch(/^control groups lack memory .* and cpu /);
});
