import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WarrenError } from "@warren/contracts/errors";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { detectCgroups } from "../../cgroup/detect.ts";
import { readQcow2Header } from "../../disk/qcow2/header.ts";
import { HeldProcess, type ProcessIdentity, processesOf } from "../../linux/process-identity.ts";
import { listenUnix } from "../../linux/unix-sockets.ts";
import { GUEST_NETWORK } from "../../network/network.ts";
import { connectConsole } from "../console.ts";
import { sweepJail } from "../jail.ts";
import { adoptedLifeline, childLifeline } from "../lifeline.ts";
import { checkMemoryFile } from "../memory-file.ts";
import type { Jail, Machine, Vm, Vmm } from "../vmm.ts";
import { Control, FILES, type MachineConfig } from "./control.ts";
import { FakeVm } from "./fake-vm.ts";

/** Program of a microVM; `WARREN_FAKE_MACHINE` names the same in one file, which starts in half of the time. */
const MACHINE_PROCESS =
  process.env.WARREN_FAKE_MACHINE ?? fileURLToPath(new URL("./machine-process.ts", import.meta.url));

/** Compiled code of the program above: half of the time of its start. */
const NODE_COMPILE_CACHE =
  process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL("../../../../.warren/compiled", import.meta.url));

export interface FakeOptions {
  /** Told of failures that have no caller. */
  warn: (message: string, cause: unknown) => void;
}

/**
 * A VMM for tests: each microVM is a process that maps the memory file, writes to the disk's layers and runs a guest of a few
 * programs that answers at a loopback address, which the attachment names in place of a tap. It takes no rights but those to
 * read its memory, bounds nothing and protects nothing.
 */
export function createFakeVmm({ warn }: FakeOptions): Vmm {
  return new FakeVmm(warn);
}

class FakeVmm implements Vmm {
  readonly version = "fake 1 machine 1";
  readonly processor = "none";
  readonly accelerator = "tcg";
  readonly emulationReason = "the fake VMM has no processors";
  readonly opensMemoryForWriting = false;
  readonly #warn: FakeOptions["warn"];

  constructor(warn: FakeOptions["warn"]) {
    this.#warn = warn;
  }

  start(machine: Machine, onSpawn: (process: ProcessIdentity) => Promise<void>): Promise<Vm> {
    return this.#run(machine, undefined, onSpawn);
  }

  restore(machine: Machine, deviceState: string, onSpawn: (process: ProcessIdentity) => Promise<void>): Promise<Vm> {
    return this.#run(machine, deviceState, onSpawn);
  }

  async adopt(machine: Machine, process: ProcessIdentity): Promise<Vm | undefined> {
    const held = await HeldProcess.take(process);
    if (held === undefined) return undefined;
    try {
      const { control, console } = await attach(machine.jail.directory);
      return new FakeVm(machine, adoptedLifeline(held, control, this.#warn), new Control(control), console);
    } catch (error) {
      held.release();
      throw error;
    }
  }

  async sweep(jail: Jail): Promise<void> {
    await sweepJail(jail, await detectCgroups([]));
  }

  async #run(
    machine: Machine,
    deviceState: string | undefined,
    onSpawn: (process: ProcessIdentity) => Promise<void>,
  ): Promise<Vm> {
    await check(machine, this.opensMemoryForWriting);
    const vm = await this.#spawn(machine, deviceState);
    try {
      await onSpawn(vm.process);
      await vm.load();
      await vm.resume();
      return vm;
    } catch (error) {
      throw await vm.fail(error);
    }
  }

  async #spawn(machine: Machine, deviceState: string | undefined): Promise<FakeVm> {
    try {
      const { child, control, console } = await launch(machine, deviceState);
      return new FakeVm(machine, await childLifeline(child), new Control(control), console);
    } catch (error) {
      await this.sweep(machine.jail);
      throw error;
    }
  }
}

/** Refuses what a VMM has to refuse, before there is a process. */
async function check(machine: Machine, opensForWriting: boolean): Promise<void> {
  const { jail, network, disk } = machine;
  await checkMemoryFile(machine, opensForWriting);
  for (const { path, format } of disk.layers) {
    if (format === "qcow2") await readQcow2Header(path);
    else await access(path);
  }
  await access(network.namespacePath).catch((cause: unknown) => {
    throw new WarrenError("boot_failed", `the network ${network.namespacePath} of ${machine.id} is not there`, {
      cause,
    });
  });
  await mkdir(jail.directory, { recursive: true, mode: 0o700 });
  const inside = await processesOf(jail.uid, jail.directory);
  if (inside.length === 0) return;
  throw new WarrenError("conflict", `the microVM of ${machine.id} runs already, as process ${inside.join(", ")}`);
}

async function launch(machine: Machine, state: string | undefined) {
  const { jail, memory } = machine;
  const opened: number[] = [];
  const hold = (fd: number): number => opened[opened.push(fd) - 1] as number;
  try {
    const short = `/proc/self/fd/${hold(openSync(jail.directory, constants.O_RDONLY | constants.O_DIRECTORY))}`;
    for (const name of [FILES.control, FILES.console]) rmSync(join(jail.directory, name), { force: true });
    if (state === undefined) for (const file of [machine.kernel, machine.initramfs]) hold(openSync(file, "r"));
    else hold(openSync(state, "r"));
    const log = hold(openSync(join(jail.directory, FILES.log), "w", 0o600));
    const inherited = [
      hold(listenUnix(`${short}/${FILES.control}`)),
      hold(listenUnix(`${short}/${FILES.console}`)),
      memory.file.sealed ?? hold(openSync(memory.file.path, constants.O_RDONLY)),
    ];
    const config: MachineConfig = {
      vcpus: machine.vcpus,
      memoryMb: machine.memoryMb,
      layers: machine.disk.layers,
      kernel: machine.kernel,
      address: machine.network.tap,
      port: GUEST_NETWORK.agentPort,
      ...(state !== undefined && { state }),
    };
    const child = spawn(process.execPath, [...NODE_FLAGS, MACHINE_PROCESS, JSON.stringify(config)], {
      cwd: jail.directory,
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE },
      stdio: ["ignore", log, log, ...inherited],
    });
    await once(child, "spawn");
    try {
      // The connections wait in the queues of the listening sockets.
      return { child: child as ChildProcess & { pid: number }, ...(await attachBy(short)) };
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Connects to a process that an earlier host agent started. */
async function attach(directory: string): Promise<{ control: Socket; console: Socket }> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await attachBy(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

/** Connects through a path of the directory that fits into the address of a unix socket. */
async function attachBy(short: string): Promise<{ control: Socket; console: Socket }> {
  const control = connect(`${short}/${FILES.control}`);
  const console = connectConsole(`${short}/${FILES.console}`);
  // A process that ends before it takes them resets both; whoever gets them sees them closed.
  for (const socket of [control, console]) socket.on("error", () => undefined);
  try {
    await Promise.all([once(control, "connect"), once(console, "connect")]);
    return { control, console };
  } catch (error) {
    control.destroy();
    console.destroy();
    throw error;
  }
}
