import { promisify } from "node:util";
import koffi from "koffi";
import { systemError } from "./errors.ts";

const libc = koffi.load(null);
const cSocket = libc.func("int socket(int domain, int type, int protocol)");
const cSend = libc.func("long send(int fd, const void *data, size_t length, int flags)");
const cReceive = libc.func("long recv(int fd, _Out_ uint8_t *data, size_t length, int flags)");
const sendAsync = promisify(cSend.async);
const receiveAsync = promisify(cReceive.async);

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;

/** A socket to a part of the kernel, netlink(7). The caller closes it. */
export function netlinkSocket(protocol: number): number {
  const fd = cSocket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (fd < 0) throw systemError("socket");
  return fd;
}

/** Sends from a thread of the pool; gives how many bytes were taken, less than 0 when it failed. */
export function sendInThread(fd: number, data: Buffer): Promise<number> {
  return sendAsync(fd, data, data.length, 0);
}

/** Waits on this thread for one datagram; gives its length, less than 0 when there is none. */
export function receive(fd: number, buffer: Buffer): number {
  return cReceive(fd, buffer, buffer.length, 0);
}

/** The same in a thread of the pool: the kernel may have to look for what it sends. */
export function receiveInThread(fd: number, buffer: Buffer): Promise<number> {
  return receiveAsync(fd, buffer, buffer.length, 0);
}
