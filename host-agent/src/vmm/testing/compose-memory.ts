import { constants } from "node:fs";
import { copyFile, open } from "node:fs/promises";
import type { MemoryMapping } from "../../memory/guest-memory.ts";

const PAGE = 4096n;
/** Bits of an entry of /proc/PID/pagemap: present, swapped, and page of a file (Documentation/admin-guide/mm/pagemap.rst). */
const PRESENT_OR_SWAPPED = 3n << 62n;
const FILE_PAGE = 1n << 61n;

/** Writes the memory of a stopped guest to `target`: the file it is mapped from, and over it the pages of its own. */
export async function composeMemory(mapping: MemoryMapping, source: string, target: string): Promise<number> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  const files = await Promise.all([
    open(`/proc/${mapping.pid}/pagemap`, "r"),
    open(`/proc/${mapping.pid}/mem`, "r"),
    open(target, "r+"),
  ]);
  const [pagemap, memory, output] = files;
  try {
    const entries = Buffer.alloc(Math.ceil(mapping.length / Number(PAGE)) * 8);
    await pagemap.read(entries, 0, entries.length, Number((mapping.address / PAGE) * 8n));
    const page = Buffer.alloc(Number(PAGE));
    let dirty = 0;
    for (let index = 0; index < entries.length / 8; index++) {
      const entry = entries.readBigUInt64LE(index * 8);
      if ((entry & PRESENT_OR_SWAPPED) === 0n || (entry & FILE_PAGE) !== 0n) continue;
      await memory.read(page, 0, page.length, mapping.address + BigInt(index) * PAGE);
      await output.write(page, 0, page.length, index * Number(PAGE));
      dirty += 1;
    }
    return dirty;
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}
