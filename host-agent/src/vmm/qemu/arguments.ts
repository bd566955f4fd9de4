import type { DiskImage } from "../../disk/disk.ts";
import type { Machine } from "../vmm.ts";
import { diskNodes } from "./disk-nodes.ts";
import type { QemuVersion } from "./version.ts";

/** Number of the machine that the arguments describe. It goes up with each change that saved device states depend on. */
export const MACHINE = 3;

/** Descriptors that QEMU inherits, by number. */
export interface InheritedDescriptors {
  /** Listening sockets of the control protocol and of the serial console. */
  qmp: number;
  console: number;
  /** One for each layer of the disk, from the top down. */
  layers: readonly number[];
  /** The top layer once more, for reading only: QEMU opens it so when another layer is put above it. */
  topReadOnly: number;
  /** File that guest memory is mapped from. */
  memory: number;
  /** File with the device state to continue; without it the machine boots its kernel. */
  state?: number;
  kernel?: number;
  initramfs?: number;
}

/** What runs the guest's instructions. TCG gives guests the host's time stamp counter, whose frequency they must be told. */
export type Accelerator = { name: "kvm" } | { name: "tcg"; counterKhz: number };

/** What of the command line does not follow from the machine. */
export interface QemuOptions {
  version: QemuVersion;
  accelerator: Accelerator;
  /** Root directory of the process, relative to its working directory at the start. */
  chroot: string;
  descriptors: InheritedDescriptors;
}

/**
 * MiB of translated guest code that TCG may keep. QEMU's own default is a quarter of the host's memory up to 1 GiB for
 * each process. QEMU empties a cache that is full: the kernel, the guest agent and one Python interpreter together need more
 * than 32, and in 64 they stay.
 */
const TRANSLATION_CACHE_MB = 64;

/**
 * All that TCG can emulate, but for the promise that string instructions are fast: the kernel would copy network data
 * with `rep movsb`, which TCG runs byte by byte.
 */
const TCG_PROCESSOR = "max,-erms,-fsrm";

/** Arguments of qemu-system-x86_64 for one microVM. It starts stopped, until QMP says `cont`. */
export function qemuArguments(machine: Machine, options: QemuOptions): string[] {
  const { accelerator, version, descriptors } = options;
  return [
    "-name",
    `guest=${optionValue(machine.id)},debug-threads=on`,
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-S",
    "-machine",
    machineType(accelerator),
    "-accel",
    accelerator.name === "tcg" ? emulator(machine, version) : "kvm",
    "-cpu",
    accelerator.name === "tcg" ? TCG_PROCESSOR : "host",
    "-smp",
    String(machine.vcpus),
    "-m",
    `${machine.memoryMb}M`,
    "-object",
    memoryBackend(machine, options),
    "-object",
    "rng-builtin,id=entropy",
    "-device",
    "virtio-rng-device,rng=entropy",
    ...diskArguments(machine.disk, descriptors),
    "-netdev",
    `tap,id=network,ifname=${optionValue(machine.network.tap)},script=no,downscript=no,vhost=off`,
    "-device",
    `virtio-net-device,netdev=network,mac=${optionValue(machine.network.mac)}`,
    "-chardev",
    `socket,id=console,fd=${descriptors.console},server=on,wait=off`,
    "-serial",
    "chardev:console",
    "-chardev",
    `socket,id=qmp,fd=${descriptors.qmp},server=on,wait=off`,
    "-mon",
    "chardev=qmp,mode=control",
    ...jailArguments(machine.jail.uid, options),
    "-global",
    "migration.send-configuration=off",
    ...(descriptors.state === undefined ? bootArguments(machine, options) : incomingArguments(version, descriptors)),
  ];
}

/** Where vCPUs may not run at the same time, one thread runs them in turns. */
function emulator({ vcpus }: Machine, { parallelEmulation }: QemuVersion): string {
  const thread = vcpus === 1 || parallelEmulation ? "multi" : "single";
  return `tcg,tb-size=${TRANSLATION_CACHE_MB},thread=${thread}`;
}

/**
 * Debian's kernel finds virtio-mmio devices through ACPI only. The device state carries no description of itself: it is
 * read by the same version of QEMU that wrote it. Under TCG the kernel has no use for the interval timer (PIT), which the
 * firmware leaves running: it would wake QEMU 36 times a second for nothing.
 */
function machineType({ name }: Accelerator): string {
  const timer = name === "tcg" ? "off" : "on";
  return `microvm,pit=${timer},pic=on,rtc=on,acpi=on,suppress-vmdesc=on,dump-guest-core=off,mem-merge=off,memory-backend=memory`;
}

/**
 * Guest memory is a private mapping of the memory file, which QEMU opens anew by way of the descriptor: for reading only
 * where it can, so that not even a guest that has taken over QEMU can change a file that others map.
 */
function memoryBackend({ memoryMb }: Machine, { version, descriptors }: QemuOptions): string {
  const readOnly = version.readOnlyMemoryFile ? ",readonly=on,rom=off" : "";
  return `memory-backend-file,id=memory,size=${memoryMb}M,mem-path=/proc/self/fd/${descriptors.memory},share=off${readOnly}`;
}

/** The state is not read before QMP says so, that its events are not missed. QEMU closes what it takes into a set. */
function incomingArguments({ stateFromFile }: QemuVersion, { state, layers }: InheritedDescriptors): string[] {
  return [...(stateFromFile ? ["-add-fd", `fd=${state},set=${layers.length}`] : []), "-incoming", "defer"];
}

/** URI of the device state for `migrate-incoming`. */
export function stateUri({ stateFromFile }: QemuVersion, { state, layers }: InheritedDescriptors): string {
  return stateFromFile ? `file:/dev/fdset/${layers.length}` : `fd:${state}`;
}

/** The disk as a chain of nodes over inherited descriptors, see {@link diskNodes}. */
function diskArguments({ layers }: DiskImage, descriptors: InheritedDescriptors): string[] {
  const nodes = layers.map(({ format }, index) =>
    diskNodes({
      format,
      name: `layer${index}`,
      fdset: index,
      writable: index === 0,
      backing: index + 1 < layers.length ? `layer${index + 1}` : null,
    }),
  );
  return [
    ...descriptors.layers.flatMap((fd, index) => ["-add-fd", `fd=${fd},set=${index}`]),
    "-add-fd",
    `fd=${descriptors.topReadOnly},set=0`,
    // Nodes are made in the order of the command line, and each needs those below it.
    ...nodes
      .reverse()
      .flatMap(({ file, layer }) => ["-blockdev", JSON.stringify(file), "-blockdev", JSON.stringify(layer)]),
    "-device",
    "virtio-blk-device,drive=layer0,rerror=stop,werror=stop",
  ];
}

/**
 * QEMU opens everything as root, then changes root and user. The filter must let it do so (elevateprivileges); it
 * forbids `execve` and `fork` for good, and `no_new_privs` comes with it.
 */
function jailArguments(uid: number, { version, chroot }: QemuOptions): string[] {
  return [
    ...(version.runWith
      ? ["-run-with", `chroot=${optionValue(chroot)},user=${uid}:${uid}`]
      : ["-chroot", chroot, "-runas", `${uid}:${uid}`]),
    "-sandbox",
    "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny",
  ];
}

/** `reboot=t panic=-1` with `-no-reboot` makes a panic end the process. */
function bootArguments(machine: Machine, { accelerator, descriptors }: QemuOptions): string[] {
  const kernel = [
    "console=ttyS0",
    "reboot=t",
    "panic=-1",
    "quiet",
    // The self-tests of the kernel's ciphers take a tenth of a boot, and nothing in a guest depends on them.
    "cryptomgr.notests=1",
    // Code on the way of each system call, switch of tasks or new session that does nothing here: security modules without
    // a policy, stall accounting that nobody reads, and task groups beside those of the guest agent.
    "lsm=landlock,yama,bpf",
    "psi=0",
    "noautogroup",
    ...(accelerator.name === "tcg" ? emulatedKernel(accelerator.counterKhz) : []),
    "net.ifnames=0",
    ...machine.kernelArguments,
  ];
  const file = (descriptor: number | undefined) => `/proc/self/fd/${descriptor}`;
  return [
    ...["-kernel", file(descriptors.kernel), "-initrd", file(descriptors.initramfs)],
    ...["-append", kernel.join(" ")],
  ];
}

/**
 * What a kernel needs to know under TCG. It cannot calibrate the time stamp counter and hangs unless it is told the
 * frequency; unless it also trusts the counter, it has no high-resolution timers and needs twice the host's processor time
 * when idle. TCG translates a program anew for each address that it runs at: with libraries at random addresses, that is
 * half of the time of a short command.
 */
function emulatedKernel(counterKhz: number): string[] {
  return [
    `tsc_early_khz=${counterKhz}`,
    "tsc=reliable",
    "norandmaps",
    // A word without a dot becomes environment of process 1, the guest agent. The Go runtime would take whatever is slow
    // for a loop that has to be interrupted by a signal.
    "GODEBUG=asyncpreemptoff=1",
  ];
}

/** A value inside QEMU's key=value lists, where a comma is doubled. */
function optionValue(value: string): string {
  return value.replaceAll(",", ",,");
}
