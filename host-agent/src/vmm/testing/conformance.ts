import { readFileSync } from "node:fs";
import { copyFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BootImages } from "../../images/images.ts";
import { type ProcessIdentity, processesOf, startTicks } from "../../linux/process-identity.ts";
import type { Machine, Vm, Vmm } from "../vmm.ts";
import { attacksThatWork, openFiles } from "./attack.ts";
import { READY, type SavedVm, TestHost, type TestPlatform } from "./test-host.ts";

/** What a suite tests. */
export interface Subject {
  create(): Promise<Vmm>;
  /** What its microVMs are made with. */
  platform: TestPlatform;
  /** Which of the kernels the VMM boots. */
  kernel(images: BootImages): string;
  /** MiB of its guests. */
  memoryMb: number;
  scripts: {
    /** Begins to count in a process of its own, so that a test sees whether guest programs go on. */
    count: string;
    /** Waits until the counter has moved on. */
    countsOn: string;
    /** Has the guest power off in a moment. */
    powerOff: string;
  };
}

/** The behaviour that the host agent relies on, the same of every VMM and whatever runs in its guests. */
export function describeVmm(name: string, subject: Subject): void {
  describe(name, () => {
    let host: TestHost;
    let vmm: Vmm;
    /** A guest with two processors that has booted and counts. */
    let seed: SavedVm;
    const { memoryMb } = subject;
    const { count, countsOn, powerOff } = subject.scripts;
    const start = `${count}; echo started > /root/kept; sync`;
    const goesOn = `${countsOn}; cat /root/kept`;

    const noSpawn = async () => undefined;
    const cloneSeed = async (from = seed): Promise<{ vm: Vm; machine: Machine }> => {
      const machine = await host.clone(from);
      return { vm: await vmm.restore(machine, from.state, noSpawn), machine };
    };

    beforeAll(async () => {
      vmm = await subject.create();
      host = await TestHost.open(subject.platform);
      const machine = await host.machine({ vcpus: 2, memoryMb }, subject.kernel(host.images));
      const vm = await vmm.start(machine, noSpawn);
      await vm.waitForConsole(READY);
      await host.run(machine, start);
      seed = await host.saveAndKill(vm, machine);
    });

    afterEach(() => host.releaseAll(vmm));
    afterAll(() => host?.close(vmm));

    test("a microVM boots, runs on after its state was saved, is restored twice elsewhere, and leaves nothing behind", async () => {
      const machine = await host.machine({ vcpus: 1, memoryMb }, subject.kernel(host.images));
      let spawned: ProcessIdentity | undefined;
      const vm = await vmm.start(machine, async (process) => {
        spawned = process;
        expect(await startTicks(process.pid)).toBe(process.startTicks);
      });
      expect(vm.process).toEqual(spawned);
      await vm.waitForConsole(READY);
      expect(vm.consoleTail()).toContain(READY);
      expect(await host.run(machine, "nproc; echo hello")).toBe("1\nhello\n");
      await host.run(machine, start);

      const state = await vm.saveDeviceState();
      const first = await host.save(state, vm, machine);
      first.state = host.path("state");
      await copyFile(state.path, first.state);
      await vm.resume();
      // The original goes on writing to its disk, which the copies must not see.
      first.disk = { layers: first.disk.layers.map((layer) => ({ ...layer })) };
      const copiedDisk = host.path("qcow2");
      await copyFile(machine.disk.layers[0]!.path, copiedDisk);
      first.disk.layers[0]!.path = copiedDisk;
      expect(await host.run(machine, goesOn)).toBe("started\n");
      await vm.kill();
      expect(await vm.exited).toMatchObject({ expected: true });
      await vm.kill();

      const { vm: second, machine: secondMachine } = await cloneSeed(first);
      expect(await host.run(secondMachine, goesOn)).toBe("started\n");
      await second.kill();
      for (const left of [machine, secondMachine]) {
        expect(await processesOf(left.jail.uid, left.jail.directory)).toEqual([]);
      }
    });

    test("programs, files and both processors go on over several generations of save and restore", async () => {
      let saved = seed;
      for (let generation = 0; generation < 3; generation++) {
        const { vm, machine } = await cloneSeed(saved);
        expect(await host.run(machine, goesOn)).toContain("started\n");
        expect(await host.run(machine, "nproc")).toBe("2\n");
        await host.run(machine, `echo ${generation} >> /root/generations; sync`);
        saved = await host.saveAndKill(vm, machine);
      }
      const { machine } = await cloneSeed(saved);
      expect(await host.run(machine, "cat /root/generations")).toBe("0\n1\n2\n");
    });

    test("two continue one state side by side, and neither sees what the other writes", async () => {
      const before = readFileSync(seed.memoryFile).subarray(0, 1024 * 1024);
      const [one, two] = [await cloneSeed(), await cloneSeed()];
      await host.run(one.machine, "echo one > /root/who; echo one > /dev/shm/who; sync");
      await host.run(two.machine, "echo two > /root/who; echo two > /dev/shm/who; sync");
      expect(await host.run(one.machine, "cat /root/who /dev/shm/who")).toBe("one\none\n");
      expect(await host.run(two.machine, "cat /root/who /dev/shm/who")).toBe("two\ntwo\n");
      expect(
        readFileSync(seed.memoryFile)
          .subarray(0, 1024 * 1024)
          .equals(before),
      ).toBe(true);
    });

    test("a microVM can write to no file that others read, by whatever descriptor it holds", async () => {
      const { vm, machine } = await cloneSeed();
      const files = openFiles(vm.process.pid);
      const [top] = machine.disk.layers;
      const shared = files.filter(({ path }) => path !== top!.path && !path.startsWith(machine.jail.directory));
      const paths = new Set(shared.map(({ path }) => path.replace(" (deleted)", "")));
      expect(paths).toEqual(
        new Set([machine.memory.file.path, ...machine.disk.layers.slice(1).map(({ path }) => path)]),
      );
      for (const { fd, path } of shared) expect(attacksThatWork(vm.process.pid, fd), path).toEqual([]);
      const [writable] = files.filter(({ path }) => path === top!.path);
      expect(attacksThatWork(vm.process.pid, writable!.fd)).toContain("write");
    });

    test("a suspended guest stands still and runs on", async () => {
      const { vm, machine } = await cloneSeed();
      await host.run(machine, goesOn);
      await vm.suspend();
      const first = await host.save({ path: seed.state }, vm, machine);
      const second = await host.save({ path: seed.state }, vm, machine);
      expect(readFileSync(second.memoryFile).equals(readFileSync(first.memoryFile))).toBe(true);
      await vm.resume();
      await host.run(machine, goesOn);
    });

    test("a layer is put above the disk of a running guest, and the one below is not written again", async () => {
      const { vm, machine } = await cloneSeed();
      await host.run(machine, "echo below > /root/below; sync");
      await vm.suspend();
      const below = machine.disk;
      const above = await host.layer(below);
      await vm.disk.stack(above.layers[0]!);
      await vm.resume();
      const before = readFileSync(below.layers[0]!.path);
      await host.run(machine, "cat /root/below > /root/above; sync; head -c 1000000 /dev/urandom > /root/noise; sync");
      expect(readFileSync(below.layers[0]!.path).equals(before)).toBe(true);
      const again = await host.saveAndKill(vm, { ...machine, disk: above });
      const { machine: last } = await cloneSeed(again);
      expect(await host.run(last, "cat /root/above; stat -c %s /root/noise")).toBe("below\n1000000\n");
    });

    test("a microVM outlives the driver that let go of it, and the next one takes it up", async () => {
      const { vm, machine } = await cloneSeed();
      await vm.detach();
      const next = await subject.create();
      const adopted = await next.adopt(machine, vm.process);
      expect(adopted?.process).toEqual(vm.process);
      expect(await host.run(machine, goesOn)).toContain("started");
      await host.run(machine, "echo seen by the next > /dev/ttyS0");
      await adopted?.waitForConsole("seen by the next");
      const saved = await host.saveAndKill(adopted!, machine);
      expect(await adopted?.exited).toMatchObject({ expected: true });
      expect(await next.adopt(machine, vm.process)).toBeUndefined();
      const { machine: last } = await cloneSeed(saved);
      expect(await host.run(last, goesOn)).toContain("started");
    });

    test("the end of an adopted microVM is noticed, whoever ended it", async () => {
      const { vm, machine } = await cloneSeed();
      await vm.detach();
      const adopted = await vmm.adopt(machine, vm.process);
      process.kill(vm.process.pid, "SIGKILL");
      expect(await adopted?.exited).toMatchObject({ expected: false });
      await expect(adopted?.waitForConsole("more")).rejects.toMatchObject({ code: "boot_failed" });
    });

    test("a process with another start time is not adopted", async () => {
      const { vm, machine } = await cloneSeed();
      const ticks = String(BigInt(vm.process.startTicks) + 1n);
      expect(await vmm.adopt(machine, { ...vm.process, startTicks: ticks })).toBeUndefined();
    });

    test("a guest that powers off ends its microVM", async () => {
      const { vm, machine } = await cloneSeed();
      await host.run(machine, powerOff);
      expect(await vm.exited).toMatchObject({ expected: false });
    });

    test("the memory of a guest is found in its process", async () => {
      const { vm } = await cloneSeed();
      const mapping = await vm.memoryMapping();
      expect(mapping).toMatchObject({ pid: vm.process.pid, length: memoryMb * 1024 * 1024 });
    });

    describe("what cannot start says why and leaves nothing behind:", () => {
      const failing: [string, string, (machine: Machine) => Promise<Partial<Machine>> | Partial<Machine>][] = [
        [
          "no namespace",
          "boot_failed",
          () => ({ network: { namespacePath: "/run/netns/none", tap: "tap0", mac: "02:fc:00:00:00:05" } }),
        ],
        ["no kernel", "ENOENT", () => ({ kernel: "/nowhere/vmlinuz" })],
        ["no disk", "ENOENT", () => ({ disk: { layers: [{ path: "/nowhere/disk.qcow2", format: "qcow2" }] } })],
        ["no memory file", "ENOENT", () => ({ memory: { file: { path: "/nowhere/memory", own: true } } })],
        [
          "a memory file of another size",
          "internal_error",
          async () => {
            const memoryFile = host.path("memory");
            await writeFile(memoryFile, "");
            await truncate(memoryFile, 4096);
            return { memory: { file: { path: memoryFile, own: true } } };
          },
        ],
        [
          "a disk layer that is none",
          "invalid_request",
          async () => {
            const path = host.path("qcow2");
            await writeFile(path, "no layer".repeat(100));
            return { disk: { layers: [{ path, format: "qcow2" as const }] } };
          },
        ],
      ];
      test.each(failing)("%s", async (_, code, changes) => {
        const machine = await host.machine({ vcpus: 1, memoryMb }, subject.kernel(host.images));
        const changed = { ...machine, ...(await changes(machine)) };
        await expect(vmm.start(changed, noSpawn)).rejects.toMatchObject({ code });
        expect(await processesOf(machine.jail.uid, machine.jail.directory)).toEqual([]);
      });

      test("a journal that cannot be written", async () => {
        const machine = await host.clone(seed);
        let spawned: ProcessIdentity | undefined;
        const started = vmm.restore(machine, seed.state, async (process) => {
          spawned = process;
          throw new Error("the journal's disk is full");
        });
        await expect(started).rejects.toThrow("the journal's disk is full");
        expect(await startTicks(spawned!.pid)).toBeUndefined();
      });

      test.each([
        ["a device state that is none", () => Buffer.from("no state".repeat(1000))],
        ["a device state that is cut off", () => readFileSync(seed.state).subarray(0, 5000)],
        ["an empty device state", () => Buffer.alloc(0)],
      ])("%s", async (_, content) => {
        const machine = await host.clone(seed);
        const state = host.path("state");
        await writeFile(state, content());
        await expect(vmm.restore(machine, state, noSpawn)).rejects.toMatchObject({ code: "boot_failed" });
        expect(await processesOf(machine.jail.uid, machine.jail.directory)).toEqual([]);
      });
    });
  });
}
