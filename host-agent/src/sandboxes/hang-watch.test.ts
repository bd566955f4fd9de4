import { expect, test } from "vitest";
import type { ProcessorState } from "../vmm/vmm.ts";
import { hasHung } from "./hang-watch.ts";

const KERNEL: ProcessorState = { instructionPointer: 0xffffffffb7207043n, halted: false };
const PROGRAM: ProcessorState = { instructionPointer: 0x41ec95n, halted: false };
const REST: ProcessorState = { instructionPointer: 0xffffffffb7210b56n, halted: true };

test.each([
  ["a vCPU that never leaves the kernel", [[KERNEL], [KERNEL], [KERNEL]], true],
  [
    "one of two, while the other runs programs",
    [
      [PROGRAM, KERNEL],
      [KERNEL, KERNEL],
      [PROGRAM, KERNEL],
    ],
    true,
  ],
  ["a program in a loop", [[PROGRAM], [PROGRAM], [PROGRAM]], false],
  ["programs that are mostly in the kernel", [[KERNEL], [KERNEL], [PROGRAM]], false],
  ["a guest at rest", [[REST], [REST], [REST]], false],
  [
    "vCPUs that take turns in programs",
    [
      [PROGRAM, KERNEL],
      [KERNEL, PROGRAM],
    ],
    false,
  ],
  ["no vCPU at all", [[], []], false],
  ["nothing seen", [], false],
] as const)("%s", (_, looks, hung) => {
  expect(hasHung(looks.map((states) => [...states]))).toBe(hung);
});
