import type { DiskImage, LiveDisk } from "../disk/disk.ts";
import type { ProcessIdentity } from "../linux/process-identity.ts";
import type { MemoryFile, MemoryMapping } from "../memory/guest-memory.ts";
import type { NetworkAttachment } from "../network/network.ts";

/** Everything that a virtual machine monitor needs to know of one microVM. Paths are the host's. */
export interface Machine {
  /** Sandbox that owns the microVM. */
  id: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  kernel: string;
  initramfs: string;
  /** Kernel arguments of the guest agent, appended to those of the VMM. */
  kernelArguments: string[];
  disk: DiskImage;
  /** Where the pages of guest memory come from. */
  memory: { file: MemoryFile };
  network: NetworkAttachment;
  jail: Jail;
  /** Gives way to other microVMs where processors are short, until `prioritise`; default false. */
  background?: boolean;
}

/** Bounds of the VMM process. */
export interface Jail {
  /** Directory, owned by the sandbox, that becomes the root of the VMM process. Sockets and device state live in it. */
  directory: string;
  /** User and group id, used by this microVM alone. */
  uid: number;
  /** Control group of the VMM process, made and removed by the driver. */
  cgroup: string;
}

/** How a microVM ended. */
export interface VmExit {
  /** The end was asked for by `kill`. */
  expected: boolean;
  /** What ended it: the guest, which powered off or reset the machine as a reboot and a panic do, or else its process. */
  cause: "power_off" | "reset" | "process";
  /** Last lines of the console. */
  consoleTail: string;
}

/** Device state of a stopped microVM: everything but its memory and disks. */
export interface DeviceState {
  /** File that holds the state, inside the jail directory. */
  path: string;
}

/** A request of the guest's disk that the host could not carry out. */
export interface DiskFailure {
  /** The host's disk is full. */
  noSpace: boolean;
  /** What the VMM says of it. */
  reason: string;
}

/** What a virtual processor does at one moment. */
export interface ProcessorState {
  /** Address of the instruction that comes next. Those of the guest's kernel have the highest bit set. */
  instructionPointer: bigint;
  /** It waits for an interrupt. */
  halted: boolean;
}

/** What the process of a microVM has used. */
export interface VmUsage {
  /** Microseconds of processor time since it was started, of its vCPUs and of the VMM together. */
  cpuMicroseconds: number;
  /** Bytes of the host's memory that it has, its guest's among them. */
  memoryBytes: number;
}

/** A live microVM. */
export interface Vm {
  readonly process: ProcessIdentity;
  readonly disk: LiveDisk;
  /** Resolves when the process is gone, whoever ended it. Never rejects. */
  readonly exited: Promise<VmExit>;
  /**
   * Tells of requests of the guest's disk that failed on the host, also of one from before an adoption. The guest learns
   * nothing of it: its vCPUs stand still, and the request is made again at the next `resume`. There is one listener at a time.
   */
  onDiskFailure(listener: (failure: DiskFailure) => void): void;
  /** Resolves when the guest has printed `text` on its console since this driver attached; rejects when it ends first. */
  waitForConsole(text: string, signal?: AbortSignal): Promise<void>;
  /**
   * Tells of each line that the guest prints on its console, whoever in it does, at most its first 1024 characters. There is
   * one listener at a time.
   */
  onConsoleLine(listener: (line: string) => void): void;
  /** Last lines of the console, at most 64 KiB. */
  consoleTail(): string;
  /** Stops the vCPUs and saves the device state. Memory and disks stay as they are until `resume` or `kill`. */
  saveDeviceState(): Promise<DeviceState>;
  /** Stops the vCPUs and saves nothing, so that the microVM costs no processor time until `resume`. */
  suspend(): Promise<void>;
  /** Lets vCPUs that stand still run on. */
  resume(): Promise<void>;
  /** What each vCPU does at this moment. They stand still while they are looked at. */
  processors(): Promise<ProcessorState[]>;
  /** Gives a microVM that was started in the background its full share of the processors. */
  prioritise(): Promise<void>;
  /** Ends the process and resolves when it is gone. Does nothing when it is gone already. */
  kill(): Promise<void>;
  memoryMapping(): Promise<MemoryMapping>;
  /** What it has used; of one that has ended, what it had used by then, with no memory. */
  usage(): Promise<VmUsage>;
  /** Leaves the process running and lets go of its sockets, for a host agent that stops. */
  detach(): Promise<void>;
}

/** A virtual machine monitor: starts and restores microVMs, and knows nothing of templates, teams or sandbox states. */
export interface Vmm {
  /** Name and version of the program and of the machine it makes, such as "qemu 7.2.22 machine 1". Saved states are tied to it. */
  readonly version: string;
  /** What guests see of the processor, as far as it differs between hosts. Saved states are tied to it. */
  readonly processor: string;
  readonly accelerator: "kvm" | "tcg";
  /** Why it emulates processors in software, for operators; empty where KVM runs them. */
  readonly emulationReason: string;
  /**
   * Whether the VMM insists on opening a file of guest memory for writing, though it never writes to it. A guest that has
   * taken it over could: such a VMM is started on sealed memory, or on a file of the microVM's own.
   */
  readonly opensMemoryForWriting: boolean;
  /** Boots a kernel. `onSpawn` is awaited with the process identity before the guest runs its first instruction. */
  start(machine: Machine, onSpawn: (process: ProcessIdentity) => Promise<void>): Promise<Vm>;
  /** Continues a saved device state on the memory and disks of `machine`. */
  restore(machine: Machine, deviceState: string, onSpawn: (process: ProcessIdentity) => Promise<void>): Promise<Vm>;
  /** Attaches to a process that outlived an earlier host agent; undefined when it is gone or another process has its id. */
  adopt(machine: Machine, process: ProcessIdentity): Promise<Vm | undefined>;
  /** Removes what a dead microVM left behind: a process that `onSpawn` never saw, its control group. */
  sweep(jail: Jail): Promise<void>;
}
