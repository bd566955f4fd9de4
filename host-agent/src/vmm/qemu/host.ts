import { measureCounterKhz } from "../../linux/timestamp-counter.ts";
import { type QemuVersion, readQemuVersion } from "./version.ts";

/** Program that is used unless another is named, found in PATH. */
export const QEMU = "qemu-system-x86_64";

/** What the driver has to know of this host, which takes a tenth of a second to find out. */
export interface QemuHost {
  version: QemuVersion;
  /** Frequency of the time stamp counter in kHz; absent where there is none. */
  counterKhz?: number;
}

/** Finds out about a program of QEMU and this host. */
export async function examineQemuHost(binary = QEMU): Promise<QemuHost> {
  const counter = process.arch === "x64" ? measureCounterKhz() : undefined;
  const [version, counterKhz] = await Promise.all([readQemuVersion(binary), counter]);
  return { version, ...(counterKhz === undefined ? {} : { counterKhz }) };
}
