import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/**
 * Overwrites physical memory of a guest from outside, by the mapping of its size in the process of its VMM. An emulator
 * does not notice: code that it has translated already goes on as it was.
 */
export function writeGuestMemory(pid: number, memoryMb: number, address: number, bytes: Uint8Array): void {
  const size = memoryMb * 1024 * 1024;
  const start = readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    // Address, permissions, offset, device, inode, path: guest memory is the mapping of a file (proc(5)).
    .map((line) => line.split(/\s+/))
    .filter(([, , , , inode = "0"]) => inode !== "0")
    .map(([range = ""]) => range.split("-").map((bound) => Number.parseInt(bound, 16)))
    .find(([from = 0, to = 0]) => to - from === size)?.[0];
  if (start === undefined) throw new Error(`process ${pid} maps no ${memoryMb} MiB`);
  const memory = openSync(`/proc/${pid}/mem`, "r+");
  try {
    writeSync(memory, bytes, 0, bytes.length, start + address);
  } finally {
    closeSync(memory);
  }
}
