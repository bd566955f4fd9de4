import { expect, test } from "vitest";
import { describedMachine } from "../testing/machine.ts";
import type { Machine } from "../vmm.ts";
import { type Accelerator, type InheritedDescriptors, qemuArguments, stateUri } from "./arguments.ts";
import { parseQemuVersion } from "./version.ts";

const OLD = parseQemuVersion("QEMU emulator version 7.2.22");
const NEW = parseQemuVersion("QEMU emulator version 10.0.13");
const TCG: Accelerator = { name: "tcg", counterKhz: 2_445_424 };
const DESCRIPTORS: InheritedDescriptors = {
  qmp: 4,
  console: 5,
  layers: [6, 7, 8],
  topReadOnly: 9,
  memory: 11,
  kernel: 12,
  initramfs: 13,
};

function argumentsOf(
  changes: Partial<Machine> = {},
  options: Partial<Parameters<typeof qemuArguments>[1]> = {},
): string[] {
  return qemuArguments(describedMachine(changes), {
    version: OLD,
    accelerator: TCG,
    chroot: "root",
    descriptors: DESCRIPTORS,
    ...options,
  });
}

/** Values of an option, in their order. */
function valuesOf(args: string[], option: string): string[] {
  return args.flatMap((argument, index) => (argument === option ? [args[index + 1] ?? ""] : []));
}

test("the jail is spelled as each version wants it", () => {
  const old = argumentsOf();
  expect(valuesOf(old, "-chroot")).toEqual(["root"]);
  expect(valuesOf(old, "-runas")).toEqual(["2100000001:2100000001"]);
  expect(old).not.toContain("-run-with");
  const recent = argumentsOf({}, { version: NEW });
  expect(valuesOf(recent, "-run-with")).toEqual(["chroot=root,user=2100000001:2100000001"]);
  expect(recent).not.toContain("-runas");
  expect(recent).not.toContain("-chroot");
  for (const args of [old, recent]) {
    expect(valuesOf(args, "-sandbox")).toEqual([
      "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny",
    ]);
  }
});

test("nothing runs before QMP says so, and a panic ends the process", () => {
  expect(argumentsOf()).toEqual(expect.arrayContaining(["-S", "-no-reboot", "-nodefaults", "-no-user-config"]));
});

test("guest memory is never in a core dump and never written to its file", () => {
  expect(valuesOf(argumentsOf(), "-machine")[0]).toContain("dump-guest-core=off");
  expect(valuesOf(argumentsOf(), "-object")[0]).toBe(
    "memory-backend-file,id=memory,size=256M,mem-path=/proc/self/fd/11,share=off",
  );
  expect(valuesOf(argumentsOf({}, { version: NEW }), "-object")[0]).toBe(
    "memory-backend-file,id=memory,size=256M,mem-path=/proc/self/fd/11,share=off,readonly=on,rom=off",
  );
});

test("commas in names do not end an option", () => {
  const attachment = { namespacePath: "/run/netns/a", tap: "tap,0", mac: "02:fc:00:00:00:05" };
  expect(valuesOf(argumentsOf({ network: attachment }), "-netdev")[0]).toContain("ifname=tap,,0,script=no");
});

test("a disk is a chain of inherited descriptors of which the top alone is written", () => {
  const args = argumentsOf();
  expect(valuesOf(args, "-add-fd")).toEqual(["fd=6,set=0", "fd=7,set=1", "fd=8,set=2", "fd=9,set=0"]);
  const nodes = valuesOf(args, "-blockdev").map((json) => JSON.parse(json) as Record<string, unknown>);
  expect(nodes.map((node) => [node.driver, node["node-name"], node["read-only"], node.backing])).toEqual([
    ["file", "layer2-file", true, undefined],
    ["raw", "layer2", true, undefined],
    ["file", "layer1-file", true, undefined],
    ["qcow2", "layer1", true, "layer2"],
    ["file", "layer0-file", false, undefined],
    ["qcow2", "layer0", false, "layer1"],
  ]);
  expect(nodes.filter(({ driver }) => driver === "file").map(({ filename }) => filename)).toEqual([
    "/dev/fdset/2",
    "/dev/fdset/1",
    "/dev/fdset/0",
  ]);
});

test("a qcow2 layer at the bottom has no backing file, whatever its header says", () => {
  const args = argumentsOf({ disk: { layers: [{ path: "/data/only.qcow2", format: "qcow2" }] } });
  expect(JSON.parse(valuesOf(args, "-blockdev").at(-1) ?? "")).toMatchObject({ driver: "qcow2", backing: null });
});

test("a boot has a kernel whose clock runs at the speed of the host's counter", () => {
  const args = argumentsOf();
  expect(valuesOf(args, "-kernel")).toEqual(["/proc/self/fd/12"]);
  expect(valuesOf(args, "-initrd")).toEqual(["/proc/self/fd/13"]);
  expect(valuesOf(args, "-append")).toEqual([
    "console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests=1 lsm=landlock,yama,bpf psi=0 noautogroup tsc_early_khz=2445424 tsc=reliable norandmaps GODEBUG=asyncpreemptoff=1 net.ifnames=0 warren.root=/dev/vda",
  ]);
});

test("KVM needs no word about the counter", () => {
  const args = argumentsOf({}, { accelerator: { name: "kvm" } });
  expect(valuesOf(args, "-append")[0]).not.toContain("tsc");
  expect(valuesOf(args, "-accel")).toEqual(["kvm"]);
  expect(valuesOf(args, "-cpu")).toEqual(["host"]);
});

test("emulated vCPUs take turns in one thread where the version of QEMU is not known to run them side by side", () => {
  const thread = (vcpus: number, version = OLD) =>
    /thread=(\w+)/.exec(valuesOf(argumentsOf({ vcpus }, { version }), "-accel")[0] ?? "")?.[1];
  expect(thread(2)).toBe("single");
  expect(thread(8)).toBe("single");
  expect(thread(1)).toBe("multi");
  expect(thread(2, { ...NEW, parallelEmulation: true })).toBe("multi");
});

test("a restore has a state and no kernel, in the way of each version", () => {
  const descriptors = { ...DESCRIPTORS, state: 10 };
  const old = argumentsOf({}, { descriptors });
  expect(valuesOf(old, "-incoming")).toEqual(["defer"]);
  expect(old).not.toContain("-kernel");
  expect(valuesOf(old, "-add-fd")).not.toContain("fd=10,set=3");
  expect(stateUri(OLD, descriptors)).toBe("fd:10");
  const recent = argumentsOf({}, { descriptors, version: NEW });
  expect(valuesOf(recent, "-add-fd")).toContain("fd=10,set=3");
  expect(stateUri(NEW, descriptors)).toBe("file:/dev/fdset/3");
});
