import koffi from "koffi";
import { systemError } from "./errors.ts";

const syscall = koffi.load(null).func("long syscall(long number, ...)");

const SYS_BPF = process.arch === "arm64" ? 280 : 321;
/** Bytes for `union bpf_attr`, more than any kernel knows: it writes answers in, and takes zeros for what it does not know. */
export const BPF_ATTRIBUTES = 256;

/** bpf(2). */
export function bpf(command: number, attributes: Buffer): number {
  const result = Number(syscall(SYS_BPF, "int", command, "void *", attributes, "unsigned int", BPF_ATTRIBUTES));
  if (result < 0) throw systemError("bpf");
  return result;
}
