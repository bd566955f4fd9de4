import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type { Cgroup } from "../../cgroup/cgroup.ts";
import { closeOnExec, inPidNamespace } from "../../linux/processes.ts";
import { listenUnix, mkfifo } from "../../linux/unix-sockets.ts";
import { connectConsole } from "../console.ts";
import { jailPaths } from "../jail.ts";
import { ENTER_VIEW } from "../view.ts";
import type { Machine } from "../vmm.ts";
import { type Accelerator, type InheritedDescriptors, qemuArguments, stateUri } from "./arguments.ts";
import type { QemuVersion } from "./version.ts";

/** Files of the driver in the jail directory, out of sight of the QEMU process once it has changed its root. */
const QMP_SOCKET = "qmp.sock";
const CONSOLE_SOCKET = "console.sock";
const STDERR_PIPE = "stderr";

/** Bytes of a pipe, pipe(7). */
const PIPE_BYTES = 64 * 1024;
/** Open files of QEMU at most; it needs about 30. */
const MAX_OPEN_FILES = 256;

/**
 * Enters the control groups (0 is the process itself), gives itself up first when the host runs out of memory, and becomes the program. The process
 * id and start time are those of QEMU from the beginning, since each step replaces the one before it.
 */
const ENTER = `exec 2>&3 3>&-
set -e
while [ "$1" != -- ]; do echo 0 >"$1"; shift; done
shift
echo 500 >/proc/self/oom_score_adj
exec "$@"`;

export interface Launch {
  binary: string;
  version: QemuVersion;
  accelerator: Accelerator;
  machine: Machine;
  cgroup: Cgroup;
  /** Processes and threads of QEMU. */
  maxTasks: number;
  /** Bytes of the largest file that QEMU may write. */
  maxFileBytes: number;
  /** File with the device state to continue; without it the machine boots its kernel. */
  deviceState: string | undefined;
}

/** The ways to talk to a QEMU process. */
export interface Attached {
  qmp: Socket;
  console: Socket;
  stderr: StderrPipe;
}

/** A QEMU process whose vCPUs stand still. */
export interface Launched extends Attached {
  child: ChildProcess & { pid: number };
  /** URI of the device state for `migrate-incoming`. */
  incoming: string | undefined;
}

/** Starts QEMU in its jail, stopped. The process is a session of its own and outlives the host agent. */
export async function launch(options: Launch): Promise<Launched> {
  const { machine, cgroup, version, accelerator } = options;
  const directory = machine.jail.directory;
  const opened: number[] = [];
  const hold = (fd: number): number => opened[opened.push(fd) - 1] as number;
  try {
    const short = `/proc/self/fd/${hold(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY))}`;
    for (const name of [QMP_SOCKET, CONSOLE_SOCKET, STDERR_PIPE]) rmSync(join(directory, name), { force: true });
    mkfifo(join(directory, STDERR_PIPE), 0o600);
    // The place in this list decides the descriptor in the child: standard input, output and error come first.
    const inherited: number[] = [];
    const inherit = (fd: number): number => 2 + inherited.push(hold(fd));
    inherit(openSync(join(directory, STDERR_PIPE), constants.O_RDWR | constants.O_NONBLOCK));
    const descriptors: InheritedDescriptors = {
      qmp: inherit(listenUnix(`${short}/${QMP_SOCKET}`)),
      console: inherit(listenUnix(`${short}/${CONSOLE_SOCKET}`)),
      layers: machine.disk.layers.map(({ path }, index) =>
        inherit(openSync(path, index === 0 ? constants.O_RDWR : constants.O_RDONLY)),
      ),
      topReadOnly: inherit(openSync(topLayer(machine), constants.O_RDONLY)),
      memory:
        machine.memory.file.sealed === undefined
          ? inherit(openSync(machine.memory.file.path, constants.O_RDONLY))
          : 2 + inherited.push(machine.memory.file.sealed),
    };
    if (options.deviceState !== undefined) descriptors.state = inherit(openSync(options.deviceState, "r"));
    else {
      descriptors.kernel = inherit(openSync(machine.kernel, "r"));
      descriptors.initramfs = inherit(openSync(machine.initramfs, "r"));
    }
    closeOnExec();
    const command = [
      ...["prlimit", "--core=0", `--nofile=${MAX_OPEN_FILES}`, `--nproc=${options.maxTasks}`],
      `--fsize=${options.maxFileBytes}`,
      ...["unshare", "--mount", "--propagation", "private", "--ipc", "--uts", "--"],
      ...["nsenter", `--net=${machine.network.namespacePath}`, "--"],
      ...["/bin/sh", "-c", ENTER_VIEW, "sh", jailPaths(machine.jail).mounts],
      options.binary,
      ...qemuArguments(machine, { version, accelerator, chroot: ".", descriptors }),
    ];
    const child = inPidNamespace(() =>
      spawn("/bin/sh", ["-c", ENTER, "sh", ...cgroup.entrances, "--", ...command], {
        cwd: directory,
        detached: true,
        env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
        stdio: ["ignore", "ignore", "ignore", ...inherited],
      }),
    );
    await once(child, "spawn");
    try {
      // The connections wait in the queues of the listening sockets, which only the child holds once they are closed
      // below: when it ends early, they break.
      return {
        child: child as Launched["child"],
        ...(await attach(short, directory)),
        incoming: descriptors.state === undefined ? undefined : stateUri(version, descriptors),
      };
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function topLayer({ id, disk }: Machine): string {
  const [top] = disk.layers;
  if (top === undefined) throw new WarrenError("internal_error", `sandbox ${id} has no disk`);
  return top.path;
}

/** Connects to a QEMU process that an earlier host agent started. */
export async function reconnect(directory: string): Promise<Attached> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await attach(`/proc/self/fd/${fd}`, directory);
  } finally {
    closeSync(fd);
  }
}

/** Connects through `short`, a path of the directory that fits into the address of a unix socket. */
async function attach(short: string, directory: string): Promise<Attached> {
  const qmp = connect(`${short}/${QMP_SOCKET}`);
  const console = connectConsole(`${short}/${CONSOLE_SOCKET}`);
  // A process that ends before it takes them resets both; whoever gets them sees them closed.
  for (const socket of [qmp, console]) socket.on("error", () => undefined);
  try {
    await Promise.all([once(qmp, "connect"), once(console, "connect")]);
    return { qmp, console, stderr: StderrPipe.open(directory) };
  } catch (error) {
    qmp.destroy();
    console.destroy();
    throw error;
  }
}

/**
 * Standard error of QEMU: a named pipe that QEMU itself keeps open for both reading and writing, without blocking. What
 * nobody reads stays in it up to its size and is dropped beyond, whether a host agent runs or not, so a guest that makes
 * QEMU complain without end costs 64 KiB.
 */
export class StderrPipe {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(directory: string): StderrPipe {
    return new StderrPipe(openSync(join(directory, STDERR_PIPE), constants.O_RDWR | constants.O_NONBLOCK));
  }

  /** Takes what has been written. */
  read(): string {
    const buffer = Buffer.alloc(PIPE_BYTES);
    try {
      return buffer.toString("utf8", 0, readSync(this.#fd, buffer)).trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "";
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
