import type { DiskImage, Machine } from "../vmm.ts";
import type { QemuVersion } from "./version.ts";

/** Descriptors that QEMU inherits, by number. */
export interface InheritedDescriptors {
  /** Listening sockets of the control protocol and of the serial console. */
  qmp: number;
  console: number;
  /** One for each layer of the disk, from the top down. */
  layers: readonly number[];
}

/** What of the command line does not follow from the machine. */
export interface QemuOptions {
  version: QemuVersion;
  accelerator: "kvm" | "tcg";
  /** Root directory of the process, relative to its working directory at the start. */
  chroot: string;
  descriptors: InheritedDescriptors;
  /** Wait for a saved device state, and load no kernel. */
  incoming: boolean;
}

/**
 * MiB of translated guest code that TCG may keep. QEMU's own default is a quarter of the host's memory up to 1 GiB for
 * each process; a guest that idles or runs scripts keeps its working set in 32.
 */
const TRANSLATION_CACHE_MB = 32;

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
    // Debian's kernel finds virtio-mmio devices through ACPI only. The device state carries no description of itself:
    // it is read by the same version of QEMU that wrote it.
    "-machine",
    "microvm,pit=on,pic=on,rtc=on,acpi=on,suppress-vmdesc=on,dump-guest-core=off,mem-merge=off,memory-backend=memory",
    "-accel",
    accelerator === "tcg" ? `tcg,tb-size=${TRANSLATION_CACHE_MB}` : "kvm",
    "-cpu",
    accelerator === "tcg" ? "max" : "host",
    "-smp",
    String(machine.vcpus),
    "-m",
    `${machine.memoryMb}M`,
    "-object",
    memoryBackend(machine, version),
    "-object",
    "rng-builtin,id=entropy",
    "-device",
    "virtio-rng-device,rng=entropy",
    ...diskArguments(machine.disk, descriptors.layers),
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
    ...(options.incoming ? ["-incoming", "defer"] : bootArguments(machine, accelerator)),
  ];
}

/**
 * Guest memory is a private mapping of the memory file. Where QEMU can, it opens the file for reading only, so that not
 * even a guest that has taken over QEMU can change a file that others map.
 */
function memoryBackend(machine: Machine, version: QemuVersion): string {
  const readOnly = version.readOnlyMemoryFile ? ",readonly=on,rom=off" : "";
  return `memory-backend-file,id=memory,size=${machine.memoryMb}M,mem-path=${optionValue(machine.memoryFile)},share=off${readOnly}`;
}

/**
 * The disk as a chain of nodes over inherited descriptors: QEMU opens them by name again after an incoming state, which
 * only works inside the chroot by /dev/fdset. Backing files are named here, so that names in qcow2 headers are never followed.
 *
 * Write-back through the page cache: clones share the clean pages of their base, and the guest's flushes reach the
 * device as fdatasync. Discarded and zeroed ranges are given back to the host's file system. A host that cannot write
 * is reported to the guest as an I/O error; the alternative, stopping the vCPUs, looks like a guest that hangs.
 */
function diskArguments(disk: DiskImage, descriptors: readonly number[]): string[] {
  const nodes = disk.layers.flatMap(({ format }, index) => {
    const writable = index === 0;
    const file = {
      driver: "file",
      "node-name": `file${index}`,
      filename: `/dev/fdset/${index}`,
      aio: "threads",
      cache: { direct: false, "no-flush": false },
      "read-only": !writable,
      "auto-read-only": false,
      discard: writable ? "unmap" : "ignore",
    };
    const layer = {
      driver: format,
      "node-name": `layer${index}`,
      file: file["node-name"],
      "read-only": !writable,
      ...(format === "qcow2" && { backing: index + 1 < disk.layers.length ? `layer${index + 1}` : null }),
      ...(writable && { discard: "unmap", "detect-zeroes": "unmap" }),
    };
    return [file, layer];
  });
  return [
    ...descriptors.flatMap((fd, index) => ["-add-fd", `fd=${fd},set=${index}`]),
    // Nodes are made in the order of the command line, and each needs those below it.
    ...disk.layers.flatMap((_, index) => {
      const below = disk.layers.length - 1 - index;
      return ["-blockdev", JSON.stringify(nodes[2 * below]), "-blockdev", JSON.stringify(nodes[2 * below + 1])];
    }),
    "-device",
    "virtio-blk-device,drive=layer0,rerror=report,werror=report",
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

/**
 * `reboot=t panic=-1` with `-no-reboot` makes a panic end the process. Under TCG the kernel cannot calibrate the time
 * stamp counter and hangs unless it is told a frequency; unless it also trusts the counter, it has no high-resolution
 * timers and needs twice the host's processor time when idle.
 */
function bootArguments(machine: Machine, accelerator: "kvm" | "tcg"): string[] {
  const clock = accelerator === "tcg" ? ["tsc_early_khz=2000000", "tsc=reliable"] : [];
  const kernel = [
    "console=ttyS0",
    "reboot=t",
    "panic=-1",
    "quiet",
    ...clock,
    "net.ifnames=0",
    ...machine.kernelArguments,
  ];
  return ["-kernel", machine.kernel, "-initrd", machine.initramfs, "-append", kernel.join(" ")];
}

/** A value inside QEMU's key=value lists, where a comma is doubled. */
function optionValue(value: string): string {
  return value.replaceAll(",", ",,");
}
