import { fstatSync } from "node:fs";
import { stat } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { isSealed } from "../linux/sealed-memory.ts";
import type { Machine } from "./vmm.ts";

const MIB = 1024 * 1024;

/** A file that others read must not be opened for writing. A VMM may make a smaller file larger, and so write to it. */
export async function checkMemoryFile(
  { memory: { file: memory }, memoryMb }: Machine,
  opensForWriting: boolean,
): Promise<void> {
  if (memory.sealed !== undefined) {
    if (!isSealed(memory.sealed)) throw new WarrenError("internal_error", `${memory.path} is not sealed`);
  } else if (opensForWriting && !memory.own) {
    throw new WarrenError("internal_error", `the VMM would open ${memory.path} for writing, which others read`);
  }
  const { size } = memory.sealed === undefined ? await stat(memory.path) : fstatSync(memory.sealed);
  if (size === memoryMb * MIB) return;
  throw new WarrenError("internal_error", `${memory.path} has ${size} bytes; guest memory has ${memoryMb} MiB`);
}
