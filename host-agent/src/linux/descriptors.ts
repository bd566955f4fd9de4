import { constants } from "node:fs";
import { arch } from "node:os";
import koffi from "koffi";
import { systemError } from "./errors.ts";

const libc = koffi.load(null);
const eventfd = libc.func("int eventfd(unsigned int initial, int flags)");
const syscall = libc.func("long syscall(long number, ...)");

const EFD_CLOEXEC = 0o2000000;
const SYS_USERFAULTFD = arch() === "arm64" ? 282 : 323;

/** A descriptor that becomes readable once a number has been written to it, eventfd(2). The caller closes it. */
export function eventDescriptor(): number {
  const fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) throw systemError("eventfd");
  return fd;
}

/** A descriptor by which page faults of this process can be handled, userfaultfd(2). The caller closes it. */
export function userfaultDescriptor(): number {
  const fd = Number(syscall(SYS_USERFAULTFD, "int", constants.O_NONBLOCK));
  if (fd < 0) throw systemError("userfaultfd");
  return fd;
}
