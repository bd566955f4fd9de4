import { writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Machine, Vm, Vmm } from "../vmm.ts";
import type { Subject } from "./conformance.ts";
import { READY, type SavedVm, TestHost } from "./test-host.ts";

/** Behaviour of real guests under a VMM: their clock, their kernel, their console. */
export function describeGuests(name: string, subject: Subject): void {
  describe(name, () => {
    let host: TestHost;
    let vmm: Vmm;
    /** A guest that has booted. */
    let seed: SavedVm;

    const noSpawn = async () => undefined;
    const cloneSeed = async (): Promise<{ vm: Vm; machine: Machine }> => {
      const machine = await host.clone(seed);
      return { vm: await vmm.restore(machine, seed.state, noSpawn), machine };
    };

    beforeAll(async () => {
      vmm = await subject.create();
      host = await TestHost.open(subject.platform);
      const machine = await host.machine({ vcpus: 2, memoryMb: 256 }, subject.kernel(host.images));
      const vm = await vmm.start(machine, noSpawn);
      await vm.waitForConsole(READY);
      seed = await host.saveAndKill(vm, machine);
    });

    afterEach(() => host.releaseAll(vmm));
    afterAll(() => host?.close(vmm));

    test("the guest's clock runs at the speed of the host's", async () => {
      const { machine } = await cloneSeed();
      const uptime = async () => {
        const before = performance.now();
        const guest = Number((await host.run(machine, "cut -d' ' -f1 /proc/uptime")).trim()) * 1000;
        return { before, guest, after: performance.now() };
      };
      const first = await uptime();
      await host.run(machine, "sleep 5");
      const second = await uptime();
      // The guest's reading lies somewhere between the host's before and after; its resolution is 10 ms.
      expect(second.guest - first.guest).toBeGreaterThan((second.before - first.after) * 0.99 - 20);
      expect(second.guest - first.guest).toBeLessThan((second.after - first.before) * 1.01 + 20);
    });

    test("a kernel that panics ends its microVM, whose console tells why", async () => {
      const machine = await host.machine({ vcpus: 1, memoryMb: 256 }, subject.kernel(host.images));
      const initramfs = host.path("initramfs");
      await writeFile(initramfs, "this is no archive");
      const vm = await vmm.start({ ...machine, initramfs }, noSpawn);
      const waiting = vm.waitForConsole(READY);
      await expect(waiting).rejects.toMatchObject({
        code: "boot_failed",
        message: expect.stringContaining("Kernel panic"),
      });
      const { expected, consoleTail } = await vm.exited;
      expect(expected).toBe(false);
      expect(consoleTail).toContain("Kernel panic");
    });

    test("a guest that floods its console costs bounded memory and goes on", async () => {
      const { vm, machine } = await cloneSeed();
      await host.run(machine, "setsid sh -c 'yes flood > /dev/ttyS0' >/dev/null 2>&1 </dev/null &");
      await vm.waitForConsole("flood\r\nflood\r\n");
      expect(await host.run(machine, "echo on")).toBe("on\n");
      expect(Buffer.byteLength(vm.consoleTail())).toBeLessThanOrEqual(64 * 1024);
      await vm.kill();
    });
  });
}
