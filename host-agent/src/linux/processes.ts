import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { systemError } from "./errors.ts";
import { readableInThread } from "./poll.ts";

/** System calls that Node does not offer, for x86-64 and arm64, where those newer than 2019 have the same numbers. */
const libc = koffi.load(null);
const syscall = libc.func("long syscall(long number, ...)");

const cUnshare = libc.func("int unshare(int flags)");
const cSetns = libc.func("int setns(int fd, int type)");

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_CLOSE_RANGE = 436;
/** Flag of close_range(2): the descriptors are closed by exec, not at once. */
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffffffff;
const CLONE_NEWPID = 0x20000000;
const ESRCH = 3;

/**
 * Keeps the descriptors of this process from its children, whoever opened them; those that a child is given are its own
 * copies. Node does so for what it opens itself, but not for what this process was started with.
 */
export function closeOnExec(): void {
  const result = Number(
    syscall(SYS_CLOSE_RANGE, "unsigned int", 3, "unsigned int", LAST_DESCRIPTOR, "unsigned int", CLOSE_RANGE_CLOEXEC),
  );
  if (result !== 0) throw systemError("close_range");
}

/**
 * Calls `start`, which starts one process: it is the first of a new namespace of process ids, sees no other, and keeps the
 * id by which this process knows it. What is set for a moment concerns children of this thread alone, unshare(2).
 */
export function inPidNamespace<T>(start: () => T): T {
  const own = openSync("/proc/thread-self/ns/pid", "r");
  try {
    if (cUnshare(CLONE_NEWPID) !== 0) throw systemError("unshare");
    try {
      return start();
    } finally {
      returnTo(own);
    }
  } finally {
    closeSync(own);
  }
}

function returnTo(namespace: number): void {
  if (cSetns(namespace, CLONE_NEWPID) !== 0) throw systemError("setns");
}

/** Descriptor of a process, pidfd_open(2); undefined when there is no such process. The caller closes it. */
export function pidfdOpen(pid: number): number | undefined {
  const fd = Number(syscall(SYS_PIDFD_OPEN, "int", pid, "unsigned int", 0));
  if (fd >= 0) return fd;
  if (koffi.errno() === ESRCH) return undefined;
  throw systemError(`pidfd_open ${pid}`);
}

/** Sends a signal, pidfd_send_signal(2); does nothing when the process is gone. */
export function pidfdSignal(fd: number, signal: number): void {
  const result = Number(syscall(SYS_PIDFD_SEND_SIGNAL, "int", fd, "int", signal, "void *", null, "unsigned int", 0));
  if (result < 0 && koffi.errno() !== ESRCH) throw systemError("pidfd_send_signal");
}

/** Waits, in a thread of the pool, until a process has ended; false when `milliseconds` passed first. */
export function pidfdEnded(fd: number, milliseconds: number): Promise<boolean> {
  return readableInThread(fd, milliseconds);
}
