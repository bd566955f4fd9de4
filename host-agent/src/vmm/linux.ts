import { closeSync, openSync } from "node:fs";
import { getSystemErrorMap } from "node:util";
import koffi from "koffi";

/** System calls that Node does not offer, for x86-64 and arm64, where those newer than 2019 have the same numbers. */
const libc = koffi.load(null);
const pollfd = koffi.struct("warren_pollfd", { fd: "int", events: "short", revents: "short" });
const syscall = libc.func("long syscall(long number, ...)");
const cMkfifo = libc.func("int mkfifo(const char *path, unsigned int mode)");
const cSocket = libc.func("int socket(int domain, int type, int protocol)");
const cBind = libc.func("int bind(int fd, const void *address, unsigned int length)");
const cListen = libc.func("int listen(int fd, int backlog)");
const cPoll = libc.func("poll", "int", [koffi.inout(koffi.pointer(pollfd)), "unsigned long", "int"]);

const cUnshare = libc.func("int unshare(int flags)");
const cSetns = libc.func("int setns(int fd, int type)");
const cSendmsg = libc.func("long sendmsg(int fd, const void *message, int flags)");

const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_CLOSE_RANGE = 436;
/** Flag of close_range(2): the descriptors are closed by exec, not at once. */
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffffffff;
const CLONE_NEWPID = 0x20000000;
const ESRCH = 3;
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const POLLIN = 1;
/** Bytes of `sun_path` in `struct sockaddr_un` with its end mark, unix(7). */
const SUN_PATH = 108;

function fail(call: string, errno = koffi.errno()): never {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, "unknown error"];
  throw Object.assign(new Error(`${call}: ${code}, ${text}`), { code, errno: -errno, syscall: call });
}

/** Makes a named pipe. */
export function mkfifo(path: string, mode: number): void {
  if (cMkfifo(path, mode) !== 0) fail(`mkfifo ${path}`);
}

/**
 * A listening unix socket as a plain descriptor that can be handed to a child. Clients can connect at once; the child
 * finds them in its queue. The caller closes the descriptor.
 */
export function listenUnix(path: string): number {
  if (Buffer.byteLength(path) >= SUN_PATH)
    throw new Error(`the socket path ${path} is longer than ${SUN_PATH - 1} bytes`);
  const address = Buffer.alloc(2 + SUN_PATH);
  address.writeUInt16LE(AF_UNIX);
  address.write(path, 2);
  const fd = cSocket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const call = cBind(fd, address, address.length) !== 0 ? "bind" : cListen(fd, 8) !== 0 ? "listen" : undefined;
  if (call === undefined) return fd;
  const errno = koffi.errno();
  closeSync(fd);
  return fail(`${call} ${path}`, errno);
}

/**
 * Keeps the descriptors of this process from its children, whoever opened them; those that a child is given are its own
 * copies. Node does so for what it opens itself, but not for what this process was started with.
 */
export function closeOnExec(): void {
  const result = Number(
    syscall(SYS_CLOSE_RANGE, "unsigned int", 3, "unsigned int", LAST_DESCRIPTOR, "unsigned int", CLOSE_RANGE_CLOEXEC),
  );
  if (result !== 0) fail("close_range");
}

/**
 * Calls `start`, which starts one process: it is the first of a new namespace of process ids, sees no other, and keeps the
 * id by which this process knows it. What is set for a moment concerns children of this thread alone, unshare(2).
 */
export function inPidNamespace<T>(start: () => T): T {
  const own = openSync("/proc/thread-self/ns/pid", "r");
  try {
    if (cUnshare(CLONE_NEWPID) !== 0) fail("unshare");
    try {
      return start();
    } finally {
      if (cSetns(own, CLONE_NEWPID) !== 0) fail("setns");
    }
  } finally {
    closeSync(own);
  }
}

/** Descriptor of a process, pidfd_open(2); undefined when there is no such process. The caller closes it. */
export function pidfdOpen(pid: number): number | undefined {
  const fd = Number(syscall(SYS_PIDFD_OPEN, "int", pid, "unsigned int", 0));
  if (fd >= 0) return fd;
  if (koffi.errno() === ESRCH) return undefined;
  return fail(`pidfd_open ${pid}`);
}

/** Sends a signal, pidfd_send_signal(2); does nothing when the process is gone. */
export function pidfdSignal(fd: number, signal: number): void {
  const result = Number(syscall(SYS_PIDFD_SEND_SIGNAL, "int", fd, "int", signal, "void *", null, "unsigned int", 0));
  if (result < 0 && koffi.errno() !== ESRCH) fail("pidfd_send_signal");
}

/** Waits, in a thread of the pool, until a process has ended; false when `milliseconds` passed first. */
export function pidfdEnded(fd: number, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const set = [{ fd, events: POLLIN, revents: 0 }];
    cPoll.async(set, 1, milliseconds, (error: Error | null, count: number) => {
      if (error) reject(error);
      else if (count < 0) reject(new Error("poll on a process descriptor failed"));
      else resolve(count > 0);
    });
  });
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of `struct msghdr`, `struct iovec` and `struct cmsghdr` on 64-bit Linux. */
const MSGHDR = 56;
const IOVEC = 16;
const CMSGHDR = 16;

/**
 * Writes `data` to a unix socket and passes one descriptor with its first byte (unix(7), SCM_RIGHTS). The receiver gets
 * a copy of the descriptor. Throws when not all of it is taken at once, which a socket with an empty queue does.
 */
export function sendDescriptor(socket: number, data: Buffer, descriptor: number): void {
  const control = Buffer.alloc(CMSGHDR + 8);
  control.writeBigUInt64LE(BigInt(CMSGHDR + 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, CMSGHDR);
  const vector = Buffer.alloc(IOVEC);
  vector.writeBigUInt64LE(koffi.address(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const message = Buffer.alloc(MSGHDR);
  message.writeBigUInt64LE(koffi.address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(koffi.address(control), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  const sent = Number(cSendmsg(socket, message, MSG_NOSIGNAL));
  if (sent < 0) fail("sendmsg");
  if (sent !== data.length) throw new Error(`sendmsg took ${sent} of ${data.length} bytes`);
}
