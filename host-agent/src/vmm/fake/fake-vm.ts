import type { Socket } from "node:net";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { LiveDisk } from "../../disk/disk.ts";
import type { ProcessIdentity } from "../../linux/process-identity.ts";
import type { MemoryMapping } from "../../memory/guest-memory.ts";
import { Console } from "../console.ts";
import type { Lifeline } from "../lifeline.ts";
import { findMemoryMapping } from "../memory-mapping.ts";
import { ProcessUsage } from "../process-usage.ts";
import type { DeviceState, DiskFailure, Machine, ProcessorState, Vm, VmExit, VmUsage } from "../vmm.ts";
import { type Control, FILES } from "./control.ts";

/** A microVM of the fake VMM. */
export class FakeVm implements Vm {
  readonly process: ProcessIdentity;
  readonly exited: Promise<VmExit>;
  readonly disk: LiveDisk = { stack: ({ path }) => this.#control.call("stack", { path }) };
  readonly #machine: Machine;
  readonly #lifeline: Lifeline;
  readonly #control: Control;
  readonly #console: Console;
  readonly #usage: ProcessUsage;
  #killed = false;
  #detached = false;
  #cause: VmExit["cause"] = "process";

  constructor(machine: Machine, lifeline: Lifeline, control: Control, console: Socket) {
    this.process = lifeline.identity;
    this.#machine = machine;
    this.#lifeline = lifeline;
    this.#control = control;
    this.#console = new Console(console);
    this.#usage = new ProcessUsage(this.process.pid);
    control.onEvent = ({ cause }) => {
      this.#cause = cause;
    };
    this.exited = this.#end();
  }

  /** The disk of a fake never fails. */
  onDiskFailure(_listener: (failure: DiskFailure) => void): void {}

  waitForConsole(text: string, signal?: AbortSignal): Promise<void> {
    return this.#console.waitFor(text, signal);
  }

  onConsoleLine(listener: (line: string) => void): void {
    this.#console.onLine(listener);
  }

  consoleTail(): string {
    return this.#console.tail();
  }

  load(): Promise<void> {
    return this.#control.call("load");
  }

  async saveDeviceState(): Promise<DeviceState> {
    await this.#control.call("saveDeviceState");
    return { path: join(this.#machine.jail.directory, FILES.state) };
  }

  suspend(): Promise<void> {
    return this.#control.call("suspend");
  }

  resume(): Promise<void> {
    return this.#control.call("resume");
  }

  /** Processors that wait for something to do. */
  async processors(): Promise<ProcessorState[]> {
    return Array.from({ length: this.#machine.vcpus }, () => ({ instructionPointer: 1n << 63n, halted: true }));
  }

  async prioritise(): Promise<void> {}

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
    // Before the connection breaks, which would be taken for the end of the process.
    this.#lifeline.release();
    this.#control.close();
    this.#console.close();
  }

  /** Kills a microVM that did not come up. Returns the error to throw. */
  async fail(cause: unknown): Promise<WarrenError> {
    this.#lifeline.kill();
    const { consoleTail } = await this.exited;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new WarrenError("boot_failed", `the microVM did not come up: ${reason}\n${consoleTail.trim()}`, { cause });
  }

  async #end(): Promise<VmExit> {
    await this.#lifeline.ended;
    this.#usage.close();
    if (!this.#detached) {
      await this.#console.drain();
      this.#lifeline.release();
    }
    return { expected: this.#killed, cause: this.#cause, consoleTail: this.#console.tail() };
  }
}
