import { closeSync, writeSync } from "node:fs";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { createSealedMemory } from "../../linux/sealed-memory.ts";
import { PAGE_SIZE } from "../pages.ts";
import { FileMapping } from "../testing/file-mapping.ts";
import { MappedProcess } from "../testing/mapped-process.ts";
import { scratchDirectory } from "../testing/scratch.ts";
import { ProcessMemory } from "./dirty-pages.ts";

const PAGES = 96;

/** A file whose pages hold their number plus one in every byte, with holes at its end. */
async function numberedFile(): Promise<string> {
  const path = join(await scratchDirectory(), "file");
  await writeFile(
    path,
    Buffer.concat(Array.from({ length: PAGES / 2 }, (_, page) => Buffer.alloc(PAGE_SIZE, page + 1))),
  );
  await truncate(path, PAGES * PAGE_SIZE);
  return path;
}

async function process(): Promise<MappedProcess> {
  const mapped = await MappedProcess.start(await numberedFile(), PAGES * PAGE_SIZE);
  onTestFinished(() => mapped.end());
  return mapped;
}

async function dirtyPages(memory: ProcessMemory): Promise<number[]> {
  return (await memory.dirtyRanges()).flatMap(({ offset, length }) =>
    Array.from({ length: length / PAGE_SIZE }, (_, index) => offset / PAGE_SIZE + index),
  );
}

async function contents(memory: ProcessMemory): Promise<number[]> {
  const ranges = await memory.dirtyRanges();
  const target = Buffer.alloc(ranges.reduce((sum, range) => sum + range.length, 0));
  await memory.read(ranges, target);
  return Array.from({ length: target.length / PAGE_SIZE }, (_, index) => {
    const page = target.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
    expect(page.equals(Buffer.alloc(PAGE_SIZE, page[0]))).toBe(true);
    return page[0]!;
  });
}

describe("the memory of another process", () => {
  test("has dirty pages where it was written, zero or not, and none where it was only read", async () => {
    const mapped = await process();
    const memory = await ProcessMemory.open(mapped.mapping);
    expect(await dirtyPages(memory)).toEqual([]);

    await mapped.tell("read 0", "read 1", "read 90", "write 3 7", "write 4 0", "write 40 9", "write 95 1", "read 5");
    expect(await memory.dirtyRanges()).toEqual([
      { offset: 3 * PAGE_SIZE, length: 2 * PAGE_SIZE },
      { offset: 40 * PAGE_SIZE, length: PAGE_SIZE },
      { offset: 95 * PAGE_SIZE, length: PAGE_SIZE },
    ]);
    expect(await contents(memory)).toEqual([7, 0, 9, 1]);
    await memory.close();
  });

  test("has none but what it wrote itself when it maps sealed memory, pages that were zero included", async () => {
    const content = await readFile(await numberedFile());
    const fd = await createSealedMemory("warren-test", content.length, async (target) => {
      writeSync(target, content, 0, (PAGES / 2) * PAGE_SIZE, 0);
    });
    onTestFinished(() => closeSync(fd));
    const mapped = await MappedProcess.start(`/proc/${globalThis.process.pid}/fd/${fd}`, content.length);
    onTestFinished(() => mapped.end());
    const memory = await ProcessMemory.open(mapped.mapping);
    await mapped.tell("read 0", "read 90", "write 3 7", "write 60 0", "write 95 1");
    expect(await dirtyPages(memory)).toEqual([3, 60, 95]);
    expect(await contents(memory)).toEqual([7, 0, 1]);
    await memory.close();
  });

  test("counts a page that was written with what it held before as dirty", async () => {
    const mapped = await process();
    const memory = await ProcessMemory.open(mapped.mapping);
    await mapped.tell("write 10 11");
    expect(await dirtyPages(memory)).toEqual([10]);
    await memory.close();
  });

  test("shows pages that were swapped out", async ({ skip }) => {
    const swap = /^SwapTotal: +(\d+)/m.exec(await readFile("/proc/meminfo", "latin1"))?.[1];
    if (swap === "0") skip("this machine has no swap space");
    const mapped = await process();
    const memory = await ProcessMemory.open(mapped.mapping);
    await mapped.tell("write 3 7", "write 4 0", "write 40 9", "pageout");
    const status = await readFile(`/proc/${mapped.mapping.pid}/status`, "latin1");
    expect(Number(/^VmSwap:\s+(\d+)/m.exec(status)?.[1])).toBeGreaterThan(0);
    expect(await dirtyPages(memory)).toEqual([3, 4, 40]);
    expect(await contents(memory)).toEqual([7, 0, 9]);
    await memory.close();
  });

  test("is refused when the process has ended", async () => {
    const mapped = await process();
    const memory = await ProcessMemory.open(mapped.mapping);
    await mapped.tell("write 3 7");
    const ranges = await memory.dirtyRanges();
    await mapped.end();
    await expect(memory.dirtyRanges()).rejects.toMatchObject({ code: "invalid_state" });
    await expect(memory.read(ranges, Buffer.alloc(PAGE_SIZE))).rejects.toMatchObject({ code: "invalid_state" });
    await expect(ProcessMemory.open(mapped.mapping)).rejects.toMatchObject({ code: "invalid_state" });
    await memory.close();
  });
});

describe("a mapping", () => {
  test("gives every pattern of dirty pages back, whatever its size", async () => {
    const pages = 70_000;
    const path = join(await scratchDirectory(), "file");
    await writeFile(path, "");
    await truncate(path, pages * PAGE_SIZE);
    const pattern = fc.uniqueArray(fc.nat(pages - 1), { maxLength: 1500 });
    await fc.assert(
      fc.asyncProperty(pattern, async (written) => {
        const mapped = new FileMapping(path, pages * PAGE_SIZE);
        try {
          for (const page of written) mapped.page(page).fill(page % 251);
          const memory = await ProcessMemory.open(mapped.mapping);
          const sorted = written.toSorted((a, b) => a - b);
          expect(await dirtyPages(memory)).toEqual(sorted);
          expect(await contents(memory)).toEqual(sorted.map((page) => page % 251));
          await memory.close();
        } finally {
          mapped.unmap();
        }
      }),
      { numRuns: 10 },
    );
  });

  test("that is shared is refused, because its changes would escape the scan", async () => {
    const mapped = new FileMapping(await numberedFile(), PAGES * PAGE_SIZE, "shared");
    await expect(ProcessMemory.open(mapped.mapping)).rejects.toThrow("not a private mapping");
    mapped.unmap();
  });

  test("shorter than the guest's memory is refused", async () => {
    const mapped = new FileMapping(await numberedFile(), PAGES * PAGE_SIZE);
    const beyond = { ...mapped.mapping, length: 2 ** 45 };
    await expect(ProcessMemory.open(beyond)).rejects.toThrow("not a private mapping");
    mapped.unmap();
  });
});
