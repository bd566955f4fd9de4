import { type BigIntStats, closeSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import { pidfdEnded, pidfdOpen, pidfdSignal } from "./processes.ts";

const SIGKILL = 9;
/** Milliseconds of a clock tick of /proc (USER_HZ is 100 on all architectures of Linux that run Warren). */
const TICK_MS = 10;
/** Milliseconds that a killed process may take to give back its memory before the host agent calls it stuck. */
const KILL_LIMIT = 30_000;
/** Processes that are looked at before others of this process have their turn. */
const LOOKED_AT_AT_ONCE = 64;

/** What identifies a process after a restart of the host agent, proof against reuse of process ids. */
export interface ProcessIdentity {
  pid: number;
  /** Start time of the process in clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  startTicks: string;
}

/** Start time of a process, field 22 of /proc/PID/stat (proc(5)); undefined when it is gone or only a zombie. */
export async function startTicks(pid: number): Promise<string | undefined> {
  const stat = await readProc(pid, "stat");
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return fields[19];
}

/** Milliseconds of processor time that a process has used (fields 14 and 15 of /proc/PID/stat); undefined when it is gone. */
export function processorTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return undefined;
  }
}

/** Whether a process is still there, and no other has its id. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const held = await HeldProcess.take(identity);
  held?.release();
  return held !== undefined;
}

/** A hold on one process, which stays on that process even when its id is given to another. */
export class HeldProcess {
  readonly identity: ProcessIdentity;
  readonly #fd: number;
  #released = false;

  private constructor(identity: ProcessIdentity, fd: number) {
    this.identity = identity;
    this.#fd = fd;
  }

  /** Takes hold of a process; undefined when it is gone or another process has its id. */
  static async take(identity: ProcessIdentity): Promise<HeldProcess | undefined> {
    const fd = pidfdOpen(identity.pid);
    if (fd === undefined) return undefined;
    // Read after the descriptor was opened: equal start times prove that the descriptor is of this very process.
    if ((await startTicks(identity.pid)) === identity.startTicks) return new HeldProcess(identity, fd);
    closeSync(fd);
    return undefined;
  }

  /** Sends SIGKILL; does nothing when the process has ended, or was released. */
  kill(): void {
    if (!this.#released) pidfdSignal(this.#fd, SIGKILL);
  }

  /**
   * Waits for the end of a process that is being killed. Occupies a thread of Node's pool meanwhile, so it is not for
   * processes that live on.
   */
  async gone(): Promise<void> {
    if (await pidfdEnded(this.#fd, KILL_LIMIT)) return;
    throw new WarrenError(
      "agent_error",
      `process ${this.identity.pid} was killed ${KILL_LIMIT / 1000} s ago and has not ended; it is stuck in the kernel`,
    );
  }

  /** Lets go of the process; the number of the descriptor may be another's from here on. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    closeSync(this.#fd);
  }
}

/**
 * Ids of the processes whose real user is `uid`, or whose root or working directory lies in `directory`, or is its `root` by
 * another path, as in a mount namespace of their own.
 */
export async function processesOf(uid: number, directory: string): Promise<number[]> {
  const root = ifThere(() => statSync(`${directory}/root`, { bigint: true }));
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  while (pids.length > 0) {
    // The kernel answers from its memory, within microseconds: a thread for each look costs ten times as much.
    for (const pid of pids.splice(0, LOOKED_AT_AT_ONCE)) if (belongsTo(pid, uid, directory, root)) found.push(pid);
    await setImmediate();
  }
  return found;
}

function belongsTo(pid: number, uid: number, directory: string, root: BigIntStats | undefined): boolean {
  const status = ifThere(() => readFileSync(`/proc/${pid}/status`, "utf8"));
  // What has ended and only waits for its parent to notice is no longer a process of anybody.
  if (status === undefined || /^State:\s+[ZX]/m.test(status)) return false;
  if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) === uid) return true;
  return isWithin(pid, "root", directory, root) || isWithin(pid, "cwd", directory, root);
}

function isWithin(pid: number, link: "root" | "cwd", directory: string, root: BigIntStats | undefined): boolean {
  const path = `/proc/${pid}/${link}`;
  try {
    const target = ifThere(() => readlinkSync(path));
    if (target === directory || target?.startsWith(`${directory}/`)) return true;
    // What a process of this namespace has as its directory may be on a file system that answers nothing any more.
    if (root === undefined || isOfThisMountNamespace(pid)) return false;
    const entry = ifThere(() => statSync(path, { bigint: true }));
    return entry?.dev === root.dev && entry.ino === root.ino;
  } catch (error) {
    // A process with rights that the host agent lacks was not started by it.
    if ((error as NodeJS.ErrnoException).code === "EACCES") return false;
    throw error;
  }
}

function isOfThisMountNamespace(pid: number): boolean {
  return ifThere(() => readlinkSync(`/proc/${pid}/ns/mnt`)) === readlinkSync("/proc/self/ns/mnt");
}

async function readProc(pid: number, file: string): Promise<string | undefined> {
  return readFile(`/proc/${pid}/${file}`, "utf8").catch(goneOr);
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    return goneOr(error);
  }
}

/** Undefined where /proc says that the process has ended: the file is not there, or reading it fails with ESRCH. */
function goneOr(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOENT" && code !== "ESRCH") throw error;
}
