import { WarrenError } from "@warren/contracts/errors";
import { needProgram } from "../../linux/programs.ts";

/** Version of QEMU, and what its command line can do. */
export interface QemuVersion {
  /** Such as 7.2.22. */
  text: string;
  /** `-run-with chroot=DIR,user=UID:GID` (9.1) where older ones have `-chroot DIR -runas UID:GID`. */
  runWith: boolean;
  /** `memory-backend-file,readonly=on,rom=off` (8.2): private writable memory over a file opened for reading only. */
  readOnlyMemoryFile: boolean;
  /** A device state from a file by `file:PATH` (8.2) where older ones have `fd:NUMBER`, which newer ones give up. */
  stateFromFile: boolean;
  /**
   * Whether TCG may run each vCPU in a thread of its own. Version 7.2 loses a write to code that another vCPU has
   * translated at that moment: a guest whose kernel patches itself (static keys: packet capture, tracing, control groups,
   * netfilter rules) then hangs for ever. Only versions count as sound that stood half an hour of `tests/vcpus.test.ts`,
   * and none has been seen to.
   */
  parallelEmulation: boolean;
}

/** Oldest version whose command line and device states the driver is known to work with. */
const OLDEST = [7, 2] as const;

/** Reads the output of `qemu-system-x86_64 --version`. */
export function parseQemuVersion(output: string): QemuVersion {
  const match = /^QEMU emulator version (\d+)\.(\d+)\.(\d+)/m.exec(output);
  if (!match)
    throw new WarrenError("agent_error", `this is not QEMU's version: ${JSON.stringify(output.slice(0, 200))}`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const atLeast = (wantedMajor: number, wantedMinor: number): boolean =>
    major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  const text = `${match[1]}.${match[2]}.${match[3]}`;
  if (!atLeast(...OLDEST)) {
    throw new WarrenError("agent_error", `QEMU ${text} is too old; install version ${OLDEST.join(".")} or newer`);
  }
  return {
    text,
    runWith: atLeast(9, 1),
    readOnlyMemoryFile: atLeast(8, 2),
    stateFromFile: atLeast(8, 2),
    parallelEmulation: false,
  };
}

/** Asks a program of QEMU for its version. */
export async function readQemuVersion(binary: string): Promise<QemuVersion> {
  const { stdout } = await needProgram("Asking QEMU for its version", binary, ["--version"]);
  return parseQemuVersion(stdout);
}
