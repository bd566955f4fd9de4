import { WarrenError } from "@warren/contracts/errors";
import type { Cgroup } from "../../cgroup/cgroup.ts";
import type { LiveDisk } from "../../disk/disk.ts";
import type { HeldProcess, ProcessIdentity } from "../../linux/process-identity.ts";
import type { MemoryMapping } from "../../memory/guest-memory.ts";
import { Console } from "../console.ts";
import { STATE_IN_CHROOT, takeDeviceState } from "../jail.ts";
import { adoptedLifeline, type Lifeline } from "../lifeline.ts";
import { findMemoryMapping } from "../memory-mapping.ts";
import { ProcessUsage } from "../process-usage.ts";
import type { DeviceState, DiskFailure, Machine, ProcessorState, Vm, VmExit, VmUsage } from "../vmm.ts";
import { cpuLimits } from "./cpu-limits.ts";
import { type Attached, reconnect, type StderrPipe } from "./launch.ts";
import { stackLayer } from "./live-disk.ts";
import { type QmpAnswer, type QmpArguments, QmpClient, type QmpCommand } from "./qmp.ts";
import { parseRegisters } from "./registers.ts";

/**
 * Milliseconds that QEMU may take to answer. Commands take a few milliseconds, and longer when a flush of the guest's
 * disk comes first or the host is overloaded.
 */
const COMMAND_LIMIT = 60_000;

export interface QemuVmParts extends Attached {
  machine: Machine;
  lifeline: Lifeline;
  /** Group of the process, removed after it. */
  cgroup: Cgroup;
  /** Told of failures that have no caller. */
  warn: (message: string, cause: unknown) => void;
}

/** A process with a microVM that is to be taken up. */
type Adoption = Omit<QemuVmParts, keyof Attached | "lifeline"> & { held: HeldProcess };

/** A microVM in a QEMU process. */
export class QemuVm implements Vm {
  readonly process: ProcessIdentity;
  readonly exited: Promise<VmExit>;
  readonly disk: LiveDisk = {
    stack: (layer) => stackLayer(this.#session(), layer, AbortSignal.timeout(COMMAND_LIMIT)),
  };
  readonly #machine: Machine;
  readonly #cgroup: Cgroup;
  readonly #usage: ProcessUsage;
  readonly #lifeline: Lifeline;
  readonly #console: Console;
  readonly #stderr: StderrPipe;
  readonly #warn: QemuVmParts["warn"];
  #qmp: QmpClient | undefined;
  #killed = false;
  #detached = false;
  #cause: VmExit["cause"] = "process";
  /** The last failure of the disk that nobody has been told of. */
  #diskFailure: DiskFailure | undefined;
  #onDiskFailure: ((failure: DiskFailure) => void) | undefined;

  private constructor(parts: QemuVmParts) {
    this.process = parts.lifeline.identity;
    this.#machine = parts.machine;
    this.#cgroup = parts.cgroup;
    this.#usage = new ProcessUsage(this.process.pid, parts.cgroup);
    this.#lifeline = parts.lifeline;
    this.#console = new Console(parts.console);
    this.#stderr = parts.stderr;
    this.#warn = parts.warn;
    this.exited = this.#end(parts);
  }

  /** Opens a session with a QEMU process. When that fails, the process is killed and what it said is in the error. */
  static async open(parts: QemuVmParts): Promise<QemuVm> {
    const vm = new QemuVm(parts);
    try {
      vm.#qmp = await QmpClient.handshake(parts.qmp, AbortSignal.timeout(COMMAND_LIMIT));
    } catch (error) {
      throw await vm.fail(error);
    }
    // A process that has closed its control connection has ended, or can no longer be controlled.
    vm.#qmp.closed.then(() => {
      if (!vm.#detached) parts.lifeline.kill();
    });
    vm.#qmp.on("SHUTDOWN", ({ guest, reason }) => {
      if (guest === true) vm.#cause = reason === "guest-shutdown" ? "power_off" : "reset";
    });
    vm.#qmp.on("BLOCK_IO_ERROR", ({ action, nospace, reason }) => {
      if (action === "stop") vm.#diskFailed({ noSpace: nospace === true, reason: reason ?? "no reason given" });
    });
    return vm;
  }

  /**
   * Takes up the microVM of a process that an earlier host agent started. When that fails, the process goes on, unless it
   * cannot be spoken with at all, and nothing to it stays open; the caller still lets go of `held`.
   */
  static async adopt({ held, ...parts }: Adoption): Promise<QemuVm> {
    const attached = await reconnect(parts.machine.jail.directory);
    const lifeline = adoptedLifeline(held, attached.qmp, parts.warn);
    const vm = await QemuVm.open({ ...parts, ...attached, lifeline });
    try {
      await vm.#lookForDiskFailure();
    } catch (error) {
      await vm.detach();
      throw error;
    }
    return vm;
  }

  onDiskFailure(listener: (failure: DiskFailure) => void): void {
    this.#onDiskFailure = listener;
    if (this.#diskFailure) this.#diskFailed(this.#diskFailure);
  }

  /** Finds out whether the disk of a microVM that was adopted had failed before. */
  async #lookForDiskFailure(): Promise<void> {
    const { status } = await this.#command("query-status", {});
    if (status === "io-error") this.#diskFailed({ noSpace: true, reason: "it failed under an earlier host agent" });
  }

  waitForConsole(text: string, signal?: AbortSignal): Promise<void> {
    return this.#console.waitFor(text, signal);
  }

  onConsoleLine(listener: (line: string) => void): void {
    this.#console.onLine(listener);
  }

  consoleTail(): string {
    return this.#console.tail();
  }

  async saveDeviceState(): Promise<DeviceState> {
    const { running } = await this.#command("query-status", {});
    await this.#command("stop", {});
    try {
      // `live: true` would also give up the disks.
      await this.#command("xen-save-devices-state", { filename: STATE_IN_CHROOT, live: false });
      return { path: await takeDeviceState(this.#machine.jail) };
    } catch (error) {
      // What ran before runs on; when not even that works, QEMU is ending.
      const warn = (second: unknown) => this.#warn(`the microVM of ${this.#machine.id} does not run on`, second);
      if (running) await this.resume().catch(warn);
      throw error;
    }
  }

  async resume(): Promise<void> {
    await this.#command("cont", {});
  }

  async suspend(): Promise<void> {
    await this.#command("stop", {});
  }

  async processors(): Promise<ProcessorState[]> {
    const { running } = await this.#command("query-status", {});
    // The emulator knows the address of a running vCPU's next instruction only once it has stopped.
    await this.#command("stop", {});
    try {
      return parseRegisters(await this.#command("human-monitor-command", { "command-line": "info registers -a" }));
    } finally {
      if (running) await this.resume();
    }
  }

  async prioritise(): Promise<void> {
    await this.#cgroup.setCpuShare(cpuLimits({ vcpus: this.#machine.vcpus }).cpuShare);
  }

  /** Loads a device state into a process that was started for it; the vCPUs stand still until `resume`. */
  async loadState(uri: string): Promise<void> {
    const qmp = this.#session();
    const loaded = Promise.withResolvers<void>();
    // Handled at the end; without this, a failure before then would count as unhandled.
    loaded.promise.catch(() => undefined);
    const off = qmp.on("MIGRATION", ({ status }) => {
      if (status === "completed") loaded.resolve();
      if (status === "failed") loaded.reject(new WarrenError("agent_error", "QEMU refused the device state"));
    });
    qmp.closed.then(() => loaded.reject(new WarrenError("agent_error", "QEMU ended while it read the device state")));
    const limit = AbortSignal.timeout(COMMAND_LIMIT);
    limit.addEventListener("abort", () => loaded.reject(limit.reason), { once: true });
    try {
      await this.#command("migrate-set-capabilities", { capabilities: [{ capability: "events", state: true }] });
      // By default the restored guest announces itself on the network five times, which is a third of its first work. Nobody
      // listens: both sides of its network know each other. With no round at all, QEMU frees the timer that it stops when the
      // network card is reset, and crashes when the guest shuts down.
      await this.#command("migrate-set-parameters", { "announce-rounds": 1 });
      await Promise.all([this.#command("migrate-incoming", { uri }), loaded.promise]);
    } finally {
      off();
    }
  }

  async kill(): Promise<void> {
    this.#killed = true;
    this.#lifeline.kill();
    await this.exited;
  }

  memoryMapping(): Promise<MemoryMapping> {
    const { memory, memoryMb } = this.#machine;
    return findMemoryMapping(this.process.pid, memory.file.path, memoryMb * 1024 * 1024);
  }

  usage(): Promise<VmUsage> {
    return this.#usage.read();
  }

  async detach(): Promise<void> {
    this.#detached = true;
    this.#qmp?.close();
    this.#console.close();
    this.#stderr.close();
    this.#lifeline.release();
  }

  /** Kills a microVM that did not come up. Returns the error to throw, which ends with what QEMU and the guest said. */
  async fail(cause: unknown): Promise<WarrenError> {
    this.#lifeline.kill();
    const { consoleTail } = await this.exited;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const said = consoleTail.trim() === "" ? "QEMU said nothing" : consoleTail.trim();
    return new WarrenError("boot_failed", `the microVM did not come up: ${reason}\n${said}`, { cause });
  }

  /** Waits for the end of the process, takes its last words and cleans up behind it. */
  async #end({ lifeline, cgroup }: QemuVmParts): Promise<VmExit> {
    await lifeline.ended;
    // A detached microVM has another driver to clean up behind it.
    if (this.#detached) return { expected: false, cause: "process", consoleTail: this.#console.tail() };
    // What the process said last of its end may still be on the way.
    await Promise.all([this.#console.drain(), this.#qmp?.closed]);
    let said = "";
    try {
      said = this.#stderr.read();
      this.#stderr.close();
      lifeline.release();
      // The group counts what the process has used to its end, and goes with it.
      await this.#usage.read();
      this.#usage.close();
      await cgroup.remove();
    } catch (error) {
      this.#warn(`cleaning up behind the microVM of ${this.#machine.id} failed`, error);
    }
    const consoleTail = [this.#console.tail(), said].filter(Boolean).join("\n");
    return { expected: this.#killed, cause: this.#cause, consoleTail };
  }

  #diskFailed(failure: DiskFailure): void {
    this.#diskFailure = this.#onDiskFailure ? undefined : failure;
    this.#onDiskFailure?.(failure);
  }

  #session(): QmpClient {
    if (this.#qmp !== undefined && !this.#detached) return this.#qmp;
    throw new WarrenError("internal_error", `the microVM of ${this.#machine.id} has been let go`);
  }

  async #command<C extends QmpCommand>(command: C, args: QmpArguments<C>): Promise<QmpAnswer<C>> {
    const limit = AbortSignal.timeout(COMMAND_LIMIT);
    try {
      return await this.#session().execute(command, args, limit);
    } catch (error) {
      if (error !== limit.reason) throw error;
      const message = `QEMU did not answer ${command} within ${COMMAND_LIMIT / 1000} s`;
      throw new WarrenError("agent_error", message, { cause: error });
    }
  }
}
