import { readFile, stat } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { SEALED_PREFIX } from "../linux/sealed-memory.ts";
import type { MemoryMapping } from "../memory/guest-memory.ts";

/** One line of /proc/PID/maps, proc(5). Addresses are kept as the text that also names /proc/PID/map_files/RANGE. */
interface MapLine {
  range: string;
  start: bigint;
  end: bigint;
  offset: bigint;
  inode: bigint;
  /** Path of the file, as the kernel shows it. */
  name: string;
}

/** Mappings of files in the text of /proc/PID/maps. */
export function parseMaps(text: string): MapLine[] {
  return text.split("\n").flatMap((line) => {
    const [, start, end, offset, inode, name = ""] =
      /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)(?: +(.*))?$/.exec(line) ?? [];
    if (start === undefined || end === undefined || offset === undefined || inode === undefined || inode === "0")
      return [];
    return [
      {
        range: `${start}-${end}`,
        start: BigInt(`0x${start}`),
        end: BigInt(`0x${end}`),
        offset: BigInt(`0x${offset}`),
        inode: BigInt(inode),
        name,
      },
    ];
  });
}

/** Finds where a process has mapped a file from its first byte to `length`. */
export async function findMemoryMapping(pid: number, file: string, length: number): Promise<MemoryMapping> {
  const all = parseMaps(await readFile(`/proc/${pid}/maps`, "utf8"));
  const sealed = file.startsWith(SEALED_PREFIX);
  const lines = sealed ? all.filter(({ name }) => name === `${file} (deleted)`) : await linesOfFile(pid, file, all);
  const address = contiguous(lines, BigInt(length));
  if (address !== undefined) return { pid, address, length };
  throw new WarrenError("agent_error", `process ${pid} has not mapped ${file} as the memory of its guest`);
}

/**
 * The file is told by what it is, not by its name; the device number of /proc/PID/maps is not used because on btrfs it is
 * not that of stat(2).
 */
async function linesOfFile(pid: number, file: string, all: readonly MapLine[]): Promise<MapLine[]> {
  const wanted = await stat(file, { bigint: true });
  const lines: MapLine[] = [];
  for (const line of all) {
    if (line.inode !== wanted.ino) continue;
    const mapped = await stat(`/proc/${pid}/map_files/${line.range}`, { bigint: true });
    if (mapped.dev === wanted.dev && mapped.ino === wanted.ino) lines.push(line);
  }
  return lines;
}

/** Start of lines that cover offsets 0 to `length` without a gap; the kernel may cut one mapping into several lines. */
function contiguous(lines: readonly MapLine[], length: bigint): bigint | undefined {
  const [first] = lines;
  if (first === undefined || first.offset !== 0n) return undefined;
  const joined = lines.every((line) => line.start - first.start === line.offset);
  const covered = lines.reduce((sum, line) => sum + (line.end - line.start), 0n);
  return joined && covered === length ? first.start : undefined;
}
