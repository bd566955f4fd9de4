import { WarrenError } from "@warren/contracts/errors";
import type { ProcessorState } from "../vmm.ts";

/** vCPUs that an answer may name; a machine has fewer. */
const MAX_PROCESSORS = 64;

/**
 * Reads what QEMU's monitor prints for `info registers -a` of an x86-64 machine: for each vCPU a line `CPU#n` and lines of
 * registers, among them `RIP=<hex> RFL=<hex> […] … HLT=<0|1>`.
 */
export function parseRegisters(text: string): ProcessorState[] {
  const [, ...blocks] = text.split(/^CPU#\d+\s*$/m);
  const states = blocks.slice(0, MAX_PROCESSORS).map((block) => {
    const pointer = /\bRIP=([0-9a-f]{16})\b/.exec(block)?.[1];
    const halted = /\bHLT=([01])\b/.exec(block)?.[1];
    if (pointer === undefined || halted === undefined) throw unreadable(block);
    return { instructionPointer: BigInt(`0x${pointer}`), halted: halted === "1" };
  });
  if (states.length === 0) throw unreadable(text);
  return states;
}

function unreadable(text: string): WarrenError {
  return new WarrenError("agent_error", `QEMU's registers cannot be read: ${JSON.stringify(text.slice(0, 200))}`);
}
