import { type FileHandle, open, readFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import { hostPageSize, readProcessMemory } from "../../linux/process-memory.ts";
import type { MemoryMapping } from "../guest-memory.ts";
import { PAGE_SIZE, type PageRange } from "../pages.ts";

/** The memory of a guest whose vCPUs stand still. */
export interface GuestMemory {
  /** Bytes. */
  readonly length: number;
  /** Pages that differ, or may differ, from the file behind the memory: sorted, neighbours joined. */
  dirtyRanges(): Promise<PageRange[]>;
  /** Copies ranges back to back into `target`. */
  read(ranges: readonly PageRange[], target: Uint8Array): Promise<void>;
  /** Lets go of the process. */
  close(): Promise<void>;
}

/** Bytes of one entry of /proc/PID/pagemap. */
const ENTRY_LENGTH = 8;
/** Entries that are read at once: 256 MiB of guest memory. */
const ENTRIES_PER_READ = 65_536;

/*
 * The upper halves of pagemap entries (Documentation/admin-guide/mm/pagemap.rst): bit 63 = present, bit 62 = swapped,
 * bit 61 = page of a file or shared. A page of a private mapping that was written is the process's own: present or
 * swapped, and no page of the file.
 */
const PRESENT_OR_SWAPPED = 0xc000_0000;
const OF_FILE = 0x2000_0000;

/**
 * Guest memory in a VMM process that maps a file MAP_PRIVATE. A page is dirty when the process has a copy of its own;
 * a page that was only read still belongs to the file.
 */
export class ProcessMemory implements GuestMemory {
  readonly #mapping: MemoryMapping;
  readonly #pagemap: FileHandle;
  /** Touched beforehand, so that a scan while the vCPUs stand still waits for no page of its own. */
  readonly #buffers: [Uint32Array, Uint32Array];

  private constructor(mapping: MemoryMapping, pagemap: FileHandle) {
    this.#mapping = mapping;
    this.#pagemap = pagemap;
    const halves = (Math.min(mapping.length / PAGE_SIZE, ENTRIES_PER_READ) * ENTRY_LENGTH) / 4;
    this.#buffers = [new Uint32Array(halves).fill(1), new Uint32Array(halves).fill(1)];
  }

  /** Takes hold of the memory of a process and checks that it is mapped privately; to be called before the vCPUs stop. */
  static async open(mapping: MemoryMapping): Promise<ProcessMemory> {
    if (hostPageSize !== PAGE_SIZE) {
      throw new WarrenError("internal_error", `pages of ${hostPageSize} bytes are not supported, only ${PAGE_SIZE}`);
    }
    const pagemap = await open(`/proc/${mapping.pid}/pagemap`, "r").catch((error: unknown) => {
      throw gone(mapping.pid, { cause: error });
    });
    try {
      await checkPrivate(mapping);
      return new ProcessMemory(mapping, pagemap);
    } catch (error) {
      await pagemap.close();
      throw error;
    }
  }

  get length(): number {
    return this.#mapping.length;
  }

  async dirtyRanges(): Promise<PageRange[]> {
    const pages = this.length / PAGE_SIZE;
    const ranges: PageRange[] = [];
    let [current, following] = this.#buffers;
    let reading = this.#readEntries(0, current);
    for (let first = 0; first < pages; first += ENTRIES_PER_READ) {
      const count = await reading;
      const next = first + ENTRIES_PER_READ;
      if (next < pages) reading = this.#readEntries(next, following);
      collectDirty(current, count, first, ranges);
      [current, following] = [following, current];
    }
    return ranges;
  }

  async read(ranges: readonly PageRange[], target: Uint8Array): Promise<void> {
    await readProcessMemory(this.#mapping.pid, this.#mapping.address, ranges, target);
    // The descriptor belongs to the address space, not to the number: it answers only while that lives, so what was
    // read by number was read from the right process.
    await this.#readEntries(0, this.#buffers[0].subarray(0, ENTRY_LENGTH / 4));
  }

  async close(): Promise<void> {
    await this.#pagemap.close();
  }

  /** Reads the entries of the pages from `first` on, as many as there are or fit; returns their number. */
  async #readEntries(first: number, target: Uint32Array): Promise<number> {
    const count = Math.min((target.byteLength / ENTRY_LENGTH) | 0, this.length / PAGE_SIZE - first);
    const bytes = new Uint8Array(target.buffer, target.byteOffset, count * ENTRY_LENGTH);
    const start = (this.#mapping.address / BigInt(PAGE_SIZE) + BigInt(first)) * BigInt(ENTRY_LENGTH);
    for (let filled = 0; filled < bytes.length; ) {
      const { bytesRead } = await this.#pagemap.read(bytes, filled, bytes.length - filled, start + BigInt(filled));
      if (bytesRead === 0) throw gone(this.#mapping.pid);
      filled += bytesRead;
    }
    return count;
  }
}

/** Adds the dirty pages among `count` entries, the first of which is page `first`, to `ranges`. */
function collectDirty(entries: Uint32Array, count: number, first: number, ranges: PageRange[]): void {
  let last = ranges.at(-1);
  for (let index = 0; index < count; index++) {
    const upper = entries[index * 2 + 1] ?? 0;
    if ((upper & PRESENT_OR_SWAPPED) === 0 || (upper & OF_FILE) !== 0) continue;
    const offset = (first + index) * PAGE_SIZE;
    if (last !== undefined && last.offset + last.length === offset) {
      last.length += PAGE_SIZE;
    } else {
      last = { offset, length: PAGE_SIZE };
      ranges.push(last);
    }
  }
}

/** Refuses memory that is not mapped privately throughout: its changes would be in the file and escape the scan. */
async function checkPrivate({ pid, address, length }: MemoryMapping): Promise<void> {
  const maps = await readFile(`/proc/${pid}/maps`, "latin1").catch((error: unknown) => {
    throw gone(pid, { cause: error });
  });
  let covered = address;
  const end = address + BigInt(length);
  for (const line of maps.split("\n")) {
    const [, from, to, sharing] = /^([0-9a-f]+)-([0-9a-f]+) ...([ps]) /.exec(line) ?? [];
    if (from === undefined || to === undefined || sharing !== "p") continue;
    if (BigInt(`0x${from}`) <= covered && BigInt(`0x${to}`) > covered) covered = BigInt(`0x${to}`);
  }
  if (covered < end) {
    throw new WarrenError(
      "internal_error",
      `guest memory of process ${pid} is not a private mapping of ${length} bytes at 0x${address.toString(16)}`,
    );
  }
}

function gone(pid: number, options?: ErrorOptions): WarrenError {
  return new WarrenError("invalid_state", `process ${pid} ended before its memory was saved`, options);
}
