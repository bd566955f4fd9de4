import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { detectCgroups } from "../../cgroup/detect.ts";
import { type ProcessIdentity, processesOf, startTicks } from "../../linux/process-identity.ts";
import { PLATFORM } from "../../platform.ts";
import { describeVmm, type Subject } from "../testing/conformance.ts";
import { describeGuests } from "../testing/guest-behaviour.ts";
import { READY, TestHost } from "../testing/test-host.ts";
import type { Machine, Vm, Vmm } from "../vmm.ts";
import { createQemuVmm } from "./driver.ts";

const VM_PROCESS = fileURLToPath(new URL("../testing/vm-process.ts", import.meta.url));
/** Another QEMU than that of the host, to run the suite on several versions. */
const BINARY = process.env.WARREN_TEST_QEMU;
const cgroups = await detectCgroups();

/** Failures without a caller are failures of the test. */
const warnings: string[] = [];

async function createVmm(): Promise<Vmm> {
  const warn = (message: string, cause: unknown) => warnings.push(`${message}: ${cause}`);
  return createQemuVmm({ ...(BINARY && { binary: BINARY }), accelerator: "tcg", cgroups, warn });
}

afterEach(() => expect(warnings.splice(0)).toEqual([]));

/** Replaces a file as a whole, so that whoever reads it sees a number. */
const COUNTER = "n=0; while :; do n=$((n+1)); echo $n > /run/next && mv /run/next /run/count; sleep 0.05; done";
const SUBJECT: Subject = {
  create: createVmm,
  platform: PLATFORM,
  kernel: ({ vmlinuz }) => vmlinuz,
  memoryMb: 256,
  scripts: {
    count: `setsid sh -c '${COUNTER}' >/dev/null 2>&1 </dev/null &
until [ -e /run/count ]; do sleep 0.05; done`,
    countsOn: "a=$(cat /run/count); until [ $(cat /run/count) -gt $a ]; do sleep 0.05; done",
    powerOff: "sync; setsid sh -c 'sleep 0.2; echo o > /proc/sysrq-trigger || kill -TERM 1' >/dev/null 2>&1 &",
  },
};

describeVmm("QEMU under TCG", SUBJECT);
describeGuests("guests of QEMU under TCG", SUBJECT);

describe("the jail of QEMU", () => {
  let host: TestHost;
  let vmm: Vmm;
  let machine: Machine;
  let vm: Vm;

  beforeAll(async () => {
    vmm = await createVmm();
    host = await TestHost.open(PLATFORM);
    machine = await host.machine({ vcpus: 1, memoryMb: 256 }, host.images.vmlinuz);
    vm = await vmm.start(machine, async () => undefined);
    await vm.waitForConsole(READY);
  });
  afterAll(() => host?.close(vmm));

  const proc = (file: string) => readFileSync(`/proc/${vm.process.pid}/${file}`, "utf8");
  const link = (name: string) => readlinkSync(`/proc/${vm.process.pid}/${name}`);

  test("the process has a user of its own, no rights, and system calls are filtered", () => {
    const status = proc("status");
    const { uid } = machine.jail;
    expect(status).toMatch(new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, "m"));
    expect(status).toMatch(new RegExp(`^Gid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, "m"));
    expect(status).toMatch(new RegExp(`^Groups:\\s+${uid}\\s*$`, "m"));
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
  });

  test("the process sees an empty directory with one file, and no device", () => {
    const { ino } = statSync(`${machine.jail.directory}/root`);
    for (const name of ["root", "cwd"]) expect(statSync(`/proc/${vm.process.pid}/${name}/`).ino).toBe(ino);
    expect(readdirSync(`/proc/${vm.process.pid}/root`)).toEqual(["device-state"]);
  });

  test("the process shares no namespace with the host but those that say nothing of it", () => {
    for (const name of ["net", "mnt", "pid", "ipc", "uts"]) {
      expect(link(`ns/${name}`), name).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
    }
    // The first process of its namespace, and the only one.
    expect(proc("status")).toMatch(new RegExp(`^NSpid:\\s+${vm.process.pid}\\s+1$`, "m"));
  });

  test("the file systems of the host are not in its mount namespace, but for programs, for reading, and its devices", () => {
    const inside = ["--target", String(vm.process.pid), "--mount", "--pid", "cat", "/proc/self/mountinfo"];
    const mounts = execFileSync("nsenter", inside, { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([, , , , point, options]) => ({ point: point!, writable: options!.split(",").includes("rw") }));
    expect(mounts.map(({ point }) => point)).toEqual(expect.arrayContaining(["/", "/proc", "/root", "/usr"]));
    const expected =
      /^\/($|proc$|root$|usr$|bin$|sbin$|lib\w*$|opt\/|etc\/ld\.so\.cache$|dev\/(null|urandom|kvm|net\/tun)$)/;
    for (const { point, writable } of mounts) {
      expect(point).toMatch(expected);
      if (!point.startsWith("/dev/")) expect(writable, point).toBe(point === "/root");
    }
  });

  test("the process may open four devices, and has a weight at the disk of its own", ({ skip }) => {
    skip(cgroups.version !== "v1", "this machine has control groups of version 2");
    const directories = cgroups.group(machine.jail.cgroup).directories;
    const devices = directories.find((directory) => existsSync(`${directory}/devices.list`));
    if (devices !== undefined) {
      const list = readFileSync(`${devices}/devices.list`, "utf8").trim().split("\n");
      expect(list.filter((rule) => !/^c (1:3 rw|1:9 r|10:200 rw|10:232 rw)$/.test(rule))).toEqual([]);
      expect(list).toContain("c 10:200 rw");
    }
    for (const controller of ["blkio", "devices"]) {
      const line = proc("cgroup")
        .split("\n")
        .find((text) => text.split(":")[1]?.split(",").includes(controller));
      if (line !== undefined) expect(line).toContain(machine.jail.cgroup);
    }
  });

  test("the process has no open files but those it was given", () => {
    const fds = readdirSync(`/proc/${vm.process.pid}/fd`).map((fd) => link(`fd/${fd}`));
    const allowed = [
      /^\/dev\/(null|net\/tun)$/,
      /^anon_inode:/,
      /^socket:/,
      new RegExp(`^${machine.jail.directory}/stderr$`),
      new RegExp(`^${machine.memory.file.path}$`),
      ...[machine.kernel, machine.initramfs].map((path) => new RegExp(`^${path}$`)),
      ...machine.disk.layers.map(({ path }) => new RegExp(`^${path}$`)),
    ];
    expect(fds.filter((target) => !allowed.some((pattern) => pattern.test(target)))).toEqual([]);
  });

  test("the process is bounded, a session of its own, and the first to go when memory is short", async () => {
    const limits = proc("limits");
    expect(limits).toMatch(/^Max core file size\s+0\s+0/m);
    expect(limits).toMatch(/^Max open files\s+256\s+256/m);
    expect(proc("oom_score_adj")).toBe("500\n");
    const session = proc("stat")
      .slice(proc("stat").lastIndexOf(")") + 2)
      .split(" ")[3];
    expect(session).toBe(String(vm.process.pid));
    const group = cgroups.group(machine.jail.cgroup);
    if (cgroups.version !== "none") expect(await group.processes()).toEqual([vm.process.pid]);
    const usage = await group.usage();
    if (usage.memoryBytes !== undefined) expect(usage.memoryBytes).toBeGreaterThan(64 * 1024 * 1024);
  });

  test.each([
    ["base image", () => machine.disk.layers.at(-1)!.path],
    ["kernel", () => machine.kernel],
    ["initramfs", () => machine.initramfs],
  ])("the %s is open for reading only", (_, pathOf) => {
    const path = pathOf();
    const flags = readdirSync(`/proc/${vm.process.pid}/fd`)
      .filter((fd) => link(`fd/${fd}`) === path)
      .map((fd) => Number.parseInt(/^flags:\s+(\d+)$/m.exec(proc(`fdinfo/${fd}`))![1]!, 8) & 3);
    expect(flags.length).toBeGreaterThan(0);
    expect(flags.every((access) => access === 0)).toBe(true);
  });

  test("a save of the device state that fails says so, and the guest runs on", async () => {
    rmSync(`${machine.jail.directory}/root/device-state`);
    await expect(vm.saveDeviceState()).rejects.toMatchObject({ code: "agent_error" });
    expect(await host.run(machine, "echo on")).toBe("on\n");
  });

  test.skipIf(cgroups.version === "none")("a second microVM is not started in the same jail", async () => {
    await expect(vmm.start(machine, async () => undefined)).rejects.toMatchObject({ code: "conflict" });
    expect(await startTicks(vm.process.pid)).toBe(vm.process.startTicks);
  });
});

describe("a host agent that is killed", () => {
  let host: TestHost;
  let vmm: Vmm;

  beforeAll(async () => {
    vmm = await createVmm();
    host = await TestHost.open(PLATFORM);
  });
  afterEach(() => host.releaseAll(vmm));
  afterAll(() => host?.close(vmm));

  /** Starts a microVM in another process; `next` gives the moments it reports. */
  function otherAgent(machine: Machine) {
    const child = spawn(process.execPath, [...NODE_FLAGS, VM_PROCESS, JSON.stringify(machine)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      next: async () => JSON.parse((await lines.next()).value ?? "") as { moment: string; process?: ProcessIdentity },
      goOn: () => child.stdin.write("\n"),
      kill: async () => {
        child.kill("SIGKILL");
        await once(child, "exit");
      },
    };
  }

  test("leaves a microVM that runs on and can be taken up", async () => {
    const machine = await host.machine({ vcpus: 1, memoryMb: 256 }, host.images.vmlinuz);
    const agent = otherAgent(machine);
    const { process: identity } = await agent.next();
    agent.goOn();
    expect(await agent.next()).toMatchObject({ moment: "running" });
    await agent.kill();
    const vm = await vmm.adopt(machine, identity!);
    await vm?.waitForConsole(READY);
    expect(await host.run(machine, "echo alive")).toBe("alive\n");
    await vm?.kill();
    expect(await processesOf(machine.jail.uid, machine.jail.directory)).toEqual([]);
    for (const directory of cgroups.group(machine.jail.cgroup).directories)
      expect(() => readdirSync(directory)).toThrow();
  });

  test("before it could note the microVM down leaves one that has not run, and a sweep finds it", async () => {
    const machine = await host.machine({ vcpus: 1, memoryMb: 256 }, host.images.vmlinuz);
    const agent = otherAgent(machine);
    const { process: identity } = await agent.next();
    await agent.kill();
    expect(await startTicks(identity!.pid)).toBe(identity!.startTicks);
    await vmm.sweep(machine.jail);
    expect(await startTicks(identity!.pid)).toBeUndefined();
    await vmm.sweep(machine.jail);
  });
});
