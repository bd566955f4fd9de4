import { mkdir, readdir, rm, stat, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { captureLayer } from "../capture/capture.ts";
import { PAGE_SIZE } from "../pages.ts";
import { PlainMemory } from "../testing/plain-memory.ts";
import { readMemory } from "../testing/read-memory.ts";
import { scratchDirectory, scratchStore } from "../testing/scratch.ts";
import { collectGarbage } from "./garbage.ts";
import type { MemoryHeader } from "./header.ts";
import type { MemoryStore } from "./store.ts";
import { exportMemory, importMemory } from "./transfer.ts";

const SIZE = 300 * PAGE_SIZE;

async function twoLayers(store: MemoryStore): Promise<MemoryHeader> {
  const memory = new PlainMemory(Buffer.alloc(SIZE));
  for (const page of [1, 2, 299]) memory.fill(page, page % 251);
  const base = await (await captureLayer(store, memory, null)).publish();
  const restored = new PlainMemory(memory.content);
  restored.fill(2, 7);
  const header = await (await captureLayer(store, restored, base.id)).publish();
  await store.release(base.id);
  return header;
}

async function exported(): Promise<{ store: MemoryStore; header: MemoryHeader; directory: string }> {
  const store = await scratchStore();
  const header = await twoLayers(store);
  const directory = await scratchDirectory();
  await exportMemory(store, header.id, directory);
  return { store, header, directory };
}

describe("a memory that is taken over from another directory", () => {
  test("is the same, shares the bytes, and outlives its source", async () => {
    const { store, header, directory } = await exported();
    const other = await scratchStore();
    await importMemory(other, header.id, directory);
    await importMemory(other, header.id, directory);
    const content = await readMemory(store, header.id);
    const layer = header.layers[0]!.id;
    expect((await stat(other.layerPath(layer))).ino).toBe((await stat(store.layerPath(layer))).ino);

    await store.release(header.id);
    await collectGarbage(store);
    for (const name of await readdir(directory)) await unlink(join(directory, name));
    await other.verify(header.id);
    expect((await readMemory(other, header.id)).equals(content)).toBe(true);
    await collectGarbage(other);
    expect(await other.listLayers()).toHaveLength(2);
  });

  test("keeps its holes where it must be copied", async () => {
    const { header, directory } = await exported();
    // Another file system than that of the scratch directories, so that links are impossible.
    const elsewhere = join("/dev/shm", `warren-memory-${header.id}`);
    await mkdir(elsewhere);
    try {
      const store = await scratchStore();
      await importMemory(store, header.id, directory);
      await exportMemory(store, header.id, elsewhere);
      const copied = await stat(join(elsewhere, `${header.layers[0]!.id}.layer`));
      expect(copied.size).toBe(SIZE);
      expect(copied.blocks * 512).toBe(3 * PAGE_SIZE);
      const back = await scratchStore();
      await importMemory(back, header.id, elsewhere);
      await back.verify(header.id);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  test("is refused when a file is missing or cut short, and shows in no part", async () => {
    for (const damage of [unlink, (path: string) => truncate(path, 10)]) {
      const { header, directory } = await exported();
      await damage(join(directory, `${header.layers[1]!.id}.layer`));
      const store = await scratchStore();
      await expect(importMemory(store, header.id, directory)).rejects.toMatchObject({ code: "snapshot_damaged" });
      expect(await store.list()).toEqual([]);
      await collectGarbage(store);
      expect(await store.listLayers()).toEqual([]);
    }
  });
});
