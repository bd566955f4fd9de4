import { getSystemErrorMap } from "node:util";
import koffi from "koffi";

/** What went wrong in a call of the C library, as Node describes errors of the system. */
export function systemError(call: string, errno: number = koffi.errno()): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, "unknown error"];
  return Object.assign(new Error(`${call}: ${code}, ${text}`), { code, errno: -errno, syscall: call });
}
