import { expect, test } from "vitest";
import { parseRegisters } from "./registers.ts";

/** What QEMU 7.2 prints of two vCPUs, shortened. */
const PRINTED = `
CPU#0
RAX=ffffffffb6973a10 RBX=0000000000000000 RCX=0000000000000001 RDX=0000000000000000
R12=0000000000000000 R13=0000000000000000 R14=0000000000000000 R15=0000000000000000
RIP=ffffffffb7207043 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
ES =0000 0000000000000000 ffffffff 00c00000
CS =0010 0000000000000000 ffffffff 00a09b00 DPL=0 CS64 [-RA]

CPU#1
RAX=0000000000000000 RBX=0000000000000001 RCX=0000000000000001 RDX=0000000000000000
RIP=000000000041ec95 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=1
ES =0000 0000000000000000 ffffffff 00c00000
`.replaceAll("\n", "\r\n");

test("reads the next instruction of each vCPU, and whether it rests", () => {
  expect(parseRegisters(PRINTED)).toEqual([
    { instructionPointer: 0xffffffffb7207043n, halted: false },
    { instructionPointer: 0x41ec95n, halted: true },
  ]);
});

test.each(["", "CPU#0\n", "CPU#0\nRIP=zz RFL=0 HLT=0", "unknown command: 'info registers'"])("refuses %j", (text) => {
  expect(() => parseRegisters(text)).toThrow("registers cannot be read");
});
