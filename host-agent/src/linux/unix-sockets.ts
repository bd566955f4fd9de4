import { closeSync } from "node:fs";
import { requireSocketPath, SOCKET_PATH_BYTES } from "@warren/server/socket-path";
import koffi from "koffi";
import { systemError } from "./errors.ts";

const libc = koffi.load(null);
const cMkfifo = libc.func("int mkfifo(const char *path, unsigned int mode)");
const cSocket = libc.func("int socket(int domain, int type, int protocol)");
const cBind = libc.func("int bind(int fd, const void *address, unsigned int length)");
const cListen = libc.func("int listen(int fd, int backlog)");
const cSendmsg = libc.func("long sendmsg(int fd, const void *message, int flags)");

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
/** Bytes of `sun_path` in `struct sockaddr_un`, unix(7). */
const SUN_PATH = SOCKET_PATH_BYTES + 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of `struct msghdr`, `struct iovec` and `struct cmsghdr` on 64-bit Linux. */
const MSGHDR = 56;
const IOVEC = 16;
const CMSGHDR = 16;

/** Makes a named pipe. */
export function mkfifo(path: string, mode: number): void {
  if (cMkfifo(path, mode) !== 0) throw systemError(`mkfifo ${path}`);
}

/**
 * A listening unix socket as a plain descriptor that can be handed to a child. Clients can connect at once; the child
 * finds them in its queue. The caller closes the descriptor.
 */
export function listenUnix(path: string): number {
  requireSocketPath(path);
  const address = Buffer.alloc(2 + SUN_PATH);
  address.writeUInt16LE(AF_UNIX);
  address.write(path, 2);
  const fd = cSocket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) throw systemError("socket");
  const call = cBind(fd, address, address.length) !== 0 ? "bind" : cListen(fd, 8) !== 0 ? "listen" : undefined;
  if (call === undefined) return fd;
  const errno = koffi.errno();
  closeSync(fd);
  throw systemError(`${call} ${path}`, errno);
}

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
  if (sent < 0) throw systemError("sendmsg");
  if (sent !== data.length) throw new Error(`sendmsg took ${sent} of ${data.length} bytes`);
}
