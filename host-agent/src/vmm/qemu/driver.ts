import { stat } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { Cgroup, Cgroups } from "../../cgroup/cgroup.ts";
import type { DiskImage } from "../../disk/disk.ts";
import { readQcow2Header } from "../../disk/qcow2/header.ts";
import { HeldProcess, type ProcessIdentity } from "../../linux/process-identity.ts";
import { measureCounterKhz } from "../../linux/timestamp-counter.ts";
import { jailCgroup, prepareJail, sweepJail } from "../jail.ts";
import { childLifeline } from "../lifeline.ts";
import { checkMemoryFile } from "../memory-file.ts";
import { prepareView, type View } from "../view.ts";
import type { Jail, Machine, Vm, Vmm } from "../vmm.ts";
import { type Accelerator, MACHINE } from "./arguments.ts";
import { cpuLimits } from "./cpu-limits.ts";
import { examineQemuHost, QEMU, type QemuHost } from "./host.ts";
import { launch } from "./launch.ts";
import { describeProcessor } from "./processor.ts";
import { QemuVm } from "./qemu-vm.ts";
import type { QemuVersion } from "./version.ts";

const MIB = 1024 * 1024;
/** Bytes of memory that QEMU itself may use, by accelerator: code, devices, buffers, and the translations of TCG. */
const OVERHEAD_BYTES = { kvm: 128 * MIB, tcg: 256 * MIB } as const;
/** Threads beside those of the vCPUs: QEMU's pool for disk requests grows to 64. */
const OTHER_THREADS = 80;

export interface QemuOptions {
  /** Program, a name to be found in PATH or an absolute path. */
  binary?: string;
  /** What `examineQemuHost` found; found out here when it is absent. */
  host?: QemuHost;
  accelerator: "kvm" | "tcg";
  /** Why KVM is not used, where it is not. */
  emulationReason?: string;
  cgroups: Cgroups;
  /** Told of failures that have no caller, such as a control group that cannot be removed. */
  warn: (message: string, cause: unknown) => void;
}

/** The QEMU driver: one jailed process of qemu-system-x86_64 with the machine type microvm for each microVM. */
export async function createQemuVmm(options: QemuOptions): Promise<Vmm> {
  const { binary = QEMU, host = await examineQemuHost(binary) } = options;
  const accelerator: Accelerator =
    options.accelerator === "tcg"
      ? { name: "tcg", counterKhz: host.counterKhz ?? (await measureCounterKhz()) }
      : { name: "kvm" };
  const [processor, view] = await Promise.all([describeProcessor(accelerator), prepareView(binary)]);
  return new QemuVmm(binary, view, host.version, accelerator, processor, options);
}

class QemuVmm implements Vmm {
  readonly version: string;
  readonly processor: string;
  readonly emulationReason: string;
  readonly #accelerator: Accelerator;
  readonly #binary: string;
  readonly #view: View;
  readonly #qemu: QemuVersion;
  readonly #cgroups: Cgroups;
  readonly #warn: QemuOptions["warn"];

  constructor(
    binary: string,
    view: View,
    qemu: QemuVersion,
    accelerator: Accelerator,
    processor: string,
    { cgroups, emulationReason = "", warn }: QemuOptions,
  ) {
    this.version = `qemu ${qemu.text} machine ${MACHINE}`;
    this.processor = processor;
    this.emulationReason = accelerator.name === "tcg" ? emulationReason : "";
    this.#accelerator = accelerator;
    this.#binary = binary;
    this.#view = view;
    this.#qemu = qemu;
    this.#cgroups = cgroups;
    this.#warn = warn;
  }

  get accelerator(): "kvm" | "tcg" {
    return this.#accelerator.name;
  }

  get opensMemoryForWriting(): boolean {
    return !this.#qemu.readOnlyMemoryFile;
  }

  async start(machine: Machine, onSpawn: (process: ProcessIdentity) => Promise<void>): Promise<Vm> {
    return this.#run(machine, undefined, onSpawn);
  }

  async restore(
    machine: Machine,
    deviceState: string,
    onSpawn: (process: ProcessIdentity) => Promise<void>,
  ): Promise<Vm> {
    return this.#run(machine, deviceState, onSpawn);
  }

  async adopt(machine: Machine, process: ProcessIdentity): Promise<Vm | undefined> {
    const held = await HeldProcess.take(process);
    if (held === undefined) return undefined;
    try {
      const cgroup = await jailCgroup(machine.jail, this.#cgroups);
      return await QemuVm.adopt({ machine, held, cgroup, warn: this.#warn });
    } catch (error) {
      held.release();
      throw error;
    }
  }

  sweep(jail: Jail): Promise<void> {
    return sweepJail(jail, this.#cgroups);
  }

  async #run(
    machine: Machine,
    deviceState: string | undefined,
    onSpawn: (process: ProcessIdentity) => Promise<void>,
  ): Promise<Vm> {
    const cgroup = this.#cgroups.group(machine.jail.cgroup);
    const { vm, incoming } = await this.#spawn(machine, deviceState, cgroup);
    try {
      await onSpawn(vm.process);
      if (incoming !== undefined) await vm.loadState(incoming);
      await vm.resume();
      return vm;
    } catch (error) {
      throw await vm.fail(error);
    }
  }

  /** Starts the process, stopped before the guest's first instruction. */
  async #spawn(
    machine: Machine,
    deviceState: string | undefined,
    cgroup: Cgroup,
  ): Promise<{ vm: QemuVm; incoming: string | undefined }> {
    const [largestFile] = await Promise.all([
      maxFileBytes(machine.disk),
      checkMemoryFile(machine, this.opensMemoryForWriting),
      checkEmpty(cgroup, machine),
    ]);
    await prepareJail(machine.jail, cgroup, this.#view);
    const maxTasks = machine.vcpus + OTHER_THREADS;
    try {
      await cgroup.create({
        // Of sealed memory, a page that nobody has touched yet is charged to whoever is the first to.
        memoryBytes:
          machine.memoryMb * MIB * (machine.memory.file.sealed === undefined ? 1 : 2) +
          OVERHEAD_BYTES[this.accelerator],
        tasks: maxTasks,
        ...cpuLimits(machine),
      });
      const { child, incoming, ...attached } = await launch({
        binary: this.#binary,
        version: this.#qemu,
        accelerator: this.#accelerator,
        machine,
        cgroup,
        maxTasks,
        maxFileBytes: largestFile,
        deviceState,
      });
      const lifeline = await childLifeline(child).catch((error: Error) => {
        const said = attached.stderr.read();
        attached.stderr.close();
        throw new WarrenError("boot_failed", `${error.message}: ${said}`, { cause: error });
      });
      const vm = await QemuVm.open({
        ...attached,
        machine,
        lifeline,
        cgroup,
        warn: this.#warn,
      });
      return { vm, incoming };
    } catch (error) {
      await this.sweep(machine.jail);
      throw error;
    }
  }
}

/**
 * Bytes that the writable layer can grow to: what the guest sees, the tables, and clusters that earlier crashes lost. Only
 * a QEMU process that a guest has taken over gets there. Such a process may also have changed the header of its layer, so
 * the headers are checked before the next process opens them as root.
 */
async function maxFileBytes({ layers }: DiskImage): Promise<number> {
  const sizes = await Promise.all(
    layers.map(async ({ path, format }) =>
      format === "raw" ? (await stat(path)).size : (await readQcow2Header(path)).virtualSize,
    ),
  );
  const [size] = sizes;
  if (size === undefined) throw new WarrenError("internal_error", "a disk without layers");
  return Math.ceil(size * 1.25) + 64 * MIB;
}

/** Two processes on one disk would destroy it. */
async function checkEmpty(cgroup: Cgroup, { id }: Machine): Promise<void> {
  const inside = await cgroup.processes();
  if (inside.length === 0) return;
  throw new WarrenError("conflict", `the microVM of ${id} runs already, as process ${inside.join(", ")}`);
}
