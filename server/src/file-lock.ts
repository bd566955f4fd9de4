import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { realpath } from "node:fs/promises";

/** LOCK_EX | LOCK_NB of flock(2). */
const EXCLUSIVE_WITHOUT_WAIT = 2 | 4;
const EWOULDBLOCK = 11;
/** Exit status of flock(1) when it has waited for as long as it should. */
const TIMED_OUT = 75;

/**
 * An exclusive lock on a file (flock(2)). It is of whoever has its descriptor: of this process until `release`, and of those
 * that were given it, each until it ends, however it ends.
 */
export class FileLock {
  /** To be handed down to processes that are to have the lock too. */
  readonly fd: number;
  #released = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** This process no longer has the lock; again is no error. */
  release(): void {
    if (!this.#released) closeSync(this.fd);
    this.#released = true;
  }
}

/** Takes the lock of a file, which is made if need be; undefined when another process has it. */
export function tryLockFile(path: string): Promise<FileLock | undefined> {
  return lockWith(path, lockNow);
}

/** Takes the lock of a file, which is made if need be, when no other process has it any longer. */
export async function lockFile(path: string): Promise<FileLock> {
  const lock = await lockWith(path, async (fd) => (await lockNow(fd)) || (await waitForLock(fd, [])));
  return lock!;
}

/** The same; undefined when another process still has it after so many seconds. */
export function lockFileWithin(path: string, seconds: number): Promise<FileLock | undefined> {
  return lockWith(path, (fd) => waitForLock(fd, ["--timeout", String(seconds)]));
}

/** Ids of other processes that have a file open, and with it perhaps its lock. */
export async function processesWithFile(path: string): Promise<number[]> {
  const file = await realpath(path);
  const others = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  return others.filter((pid) => hasOpen(pid, file)).map(Number);
}

async function lockWith(path: string, take: (fd: number) => Promise<boolean>): Promise<FileLock | undefined> {
  const lock = new FileLock(openSync(path, "a", 0o600));
  try {
    if (await take(lock.fd)) return lock;
  } catch (error) {
    lock.release();
    throw new Error(`${path} could not be locked: ${(error as Error).message}`, { cause: error });
  }
  lock.release();
  return undefined;
}

async function lockNow(fd: number): Promise<boolean> {
  // Most commands of the command line, which this is a part of, lock nothing and do without.
  const { default: koffi } = await import("koffi");
  const flock = koffi.load(null).func("int flock(int fd, int operation)");
  if (flock(fd, EXCLUSIVE_WITHOUT_WAIT) === 0) return true;
  const errno = koffi.errno();
  if (errno === EWOULDBLOCK) return false;
  throw new Error(`flock failed with errno ${errno}`);
}

/**
 * A process waits, which locks the open file that it shares with this one: a call would keep a thread of Node's pool, without
 * which this process cannot end. It ends with this process, and so never has the lock on its own.
 */
async function waitForLock(fd: number, options: string[]): Promise<boolean> {
  const flock = ["flock", "--exclusive", "--conflict-exit-code", String(TIMED_OUT), ...options, "3"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...flock], { stdio: ["ignore", "ignore", "pipe", fd] });
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [status, signal] = await once(child, "close");
  if (status === 0 || status === TIMED_OUT) return status === 0;
  throw new Error(`flock ended ${signal ? `by ${signal}` : `with status ${status}`}: ${said.trim()}`);
}

function hasOpen(pid: string, file: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linksTo(`/proc/${pid}/fd/${fd}`, file));
  } catch {
    // It has ended, or belongs to another user.
    return false;
  }
}

function linksTo(link: string, file: string): boolean {
  try {
    return readlinkSync(link) === file;
  } catch {
    return false;
  }
}
