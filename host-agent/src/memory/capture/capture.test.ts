import { readdir, stat } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { PAGE_SIZE } from "../pages.ts";
import { hostFiles, type StoredFile } from "../store/files.ts";
import { PlainMemory } from "../testing/plain-memory.ts";
import { readMemory } from "../testing/read-memory.ts";
import { reopened, scratchStore } from "../testing/scratch.ts";
import { captureLayer } from "./capture.ts";
import { COPY_BUFFER_LENGTH } from "./copy-buffers.ts";

const PAGES = 64;
const BLANK = Buffer.alloc(PAGES * PAGE_SIZE);

function writtenMemory(content: Buffer, writes: Record<number, number>): PlainMemory {
  const memory = new PlainMemory(content);
  for (const [page, byte] of Object.entries(writes)) memory.fill(Number(page), byte);
  return memory;
}

describe("a capture", () => {
  test("of blank memory is an image that can be mapped as it is", async () => {
    const store = await scratchStore();
    const memory = writtenMemory(BLANK, { 3: 7, 4: 0, 40: 9 });
    const capture = await captureLayer(store, memory, null);
    expect(capture.figures).toMatchObject({ dirtyPages: 3, streamed: false });
    const header = await capture.publish();

    expect(header).toMatchObject({ id: capture.id, parentId: null, generation: 0, memorySize: BLANK.length });
    expect(header.layers).toMatchObject([{ size: BLANK.length, storedBytes: 2 * PAGE_SIZE }]);
    expect((await stat(store.layerPath(header.layers[0]!.id))).blocks * 512).toBe(2 * PAGE_SIZE);
    expect((await readMemory(await reopened(store), header.id)).equals(memory.content)).toBe(true);
  });

  test("of restored memory holds what changed and nothing else", async () => {
    const store = await scratchStore();
    const before = writtenMemory(BLANK, { 3: 7, 4: 8, 40: 9 });
    const parent = await (await captureLayer(store, before, null)).publish();
    const memory = writtenMemory(before.content, { 4: 1, 50: 2 });
    const header = await (await captureLayer(store, memory, parent.id)).publish();

    expect(header).toMatchObject({ parentId: parent.id, generation: 1 });
    expect(header.layers.map((layer) => layer.storedBytes)).toEqual([3 * PAGE_SIZE, 2 * PAGE_SIZE]);
    expect((await stat(store.layerPath(header.layers[1]!.id))).size).toBe(2 * PAGE_SIZE);
    expect((await readMemory(store, header.id)).equals(memory.content)).toBe(true);
    expect((await readMemory(store, parent.id)).equals(before.content)).toBe(true);
  });

  test("records a page that became zero, so that it does not show what it held before", async () => {
    const store = await scratchStore();
    const before = writtenMemory(BLANK, { 3: 7, 4: 8 });
    const parent = await (await captureLayer(store, before, null)).publish();
    const memory = writtenMemory(before.content, { 4: 0 });
    const header = await (await captureLayer(store, memory, parent.id)).publish();
    expect(header.layers).toEqual(parent.layers);
    expect((await readMemory(store, header.id)).equals(memory.content)).toBe(true);
    expect((await readMemory(store, header.id))[4 * PAGE_SIZE]).toBe(0);
  });

  test("of an unchanged memory writes no layer", async () => {
    const store = await scratchStore();
    const parent = await (await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), null)).publish();
    const header = await (
      await captureLayer(store, new PlainMemory(await readMemory(store, parent.id)), parent.id)
    ).publish();
    expect(header.layers).toEqual(parent.layers);
    expect(await store.listLayers()).toHaveLength(1);
  });

  test("drops a layer from which nothing shows any more", async () => {
    const store = await scratchStore();
    const before = writtenMemory(BLANK, { 3: 7 });
    const parent = await (await captureLayer(store, before, null)).publish();
    const header = await (await captureLayer(store, writtenMemory(before.content, { 3: 8 }), parent.id)).publish();
    expect(header.layers).toHaveLength(1);
    expect(header.layers[0]?.id).not.toBe(parent.layers[0]?.id);
  });

  test("gives the same memory whether it is held or streamed", async () => {
    const pages = (3 * COPY_BUFFER_LENGTH) / PAGE_SIZE + 5;
    const memory = new PlainMemory(Buffer.alloc(pages * PAGE_SIZE));
    for (let page = 0; page < pages; page++) if (page % 7 !== 3) memory.fill(page, page % 5);
    const held = await scratchStore({ captureBuffers: 5 });
    const streamed = await scratchStore({ captureBuffers: 1 });
    for (const [store, expected] of [
      [held, false],
      [streamed, true],
    ] as const) {
      const first = await captureLayer(store, memory, null);
      expect(first.figures.streamed).toBe(expected);
      const image = await first.publish();
      const second = await (await captureLayer(store, memory, image.id)).publish();
      for (const { id } of [image, second]) {
        await store.verify(id);
        expect((await readMemory(store, id)).equals(memory.content)).toBe(true);
      }
      const written = second.layers.at(-1)!;
      expect(written.storedBytes).toBeLessThanOrEqual(first.figures.dirtyPages * PAGE_SIZE);
      expect((await stat(store.layerPath(written.id))).blocks * 512).toBeLessThanOrEqual(1.1 * written.storedBytes);
    }
  });

  test("holds the memory of that instant, whatever the guest does afterwards", async () => {
    const store = await scratchStore();
    const memory = writtenMemory(BLANK, { 3: 7 });
    const capture = await captureLayer(store, memory, null);
    const then = Buffer.from(memory.content);
    memory.fill(3, 8);
    memory.fill(5, 8);
    const header = await capture.publish();
    expect((await readMemory(store, header.id)).equals(then)).toBe(true);
  });

  test("that is discarded leaves nothing", async () => {
    for (const captureBuffers of [1, 2]) {
      const store = await scratchStore({ captureBuffers });
      await (await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), null)).discard();
      expect(await store.list()).toEqual([]);
      expect(await readdir(store.layerDirectory)).toEqual([]);
      // Its buffers are free again: a capture that needs one gets it.
      await (await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), null)).publish();
    }
  });

  test("of a guest that cannot be read leaves nothing", async () => {
    for (const captureBuffers of [1, 2]) {
      const store = await scratchStore({ captureBuffers });
      const memory = writtenMemory(BLANK, { 3: 7 });
      memory.read = () => Promise.reject(new Error("the guest is gone"));
      await expect(captureLayer(store, memory, null)).rejects.toThrow("the guest is gone");
      expect(await readdir(store.layerDirectory)).toEqual([]);
      await (await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), null)).publish();
    }
  });

  test("whose writes fail leaves nothing and says so", async () => {
    for (const captureBuffers of [1, 2]) {
      const broken = Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
      let failing = true;
      const files = {
        ...hostFiles,
        create: async (path: string, options: { direct: boolean }) => {
          const file = await hostFiles.create(path, options);
          const write: StoredFile["write"] = (data, position) =>
            failing ? Promise.reject(broken) : file.write(data, position);
          return Object.assign(Object.create(file) as StoredFile, boundTo(file), { write });
        },
      };
      const store = await scratchStore({ files, captureBuffers });
      const memory = writtenMemory(BLANK, { 3: 7 });
      const attempt = async () => (await captureLayer(store, memory, null)).publish();
      await expect(attempt()).rejects.toBe(broken);
      expect(await readdir(store.layerDirectory)).toEqual([]);
      expect(await readdir(store.headerDirectory)).toEqual([]);
      failing = false;
      expect((await readMemory(store, (await attempt()).id)).equals(memory.content)).toBe(true);
    }
  });

  test("is refused on a parent of another size, and changes nothing", async () => {
    const store = await scratchStore();
    const parent = await (await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), null)).publish();
    const larger = writtenMemory(Buffer.alloc(2 * BLANK.length), { 1: 1 });
    const capture = await captureLayer(store, larger, parent.id);
    await expect(capture.publish()).rejects.toMatchObject({ code: "invalid_state" });
    expect(await store.list()).toEqual([parent.id]);
    expect(await store.listLayers()).toHaveLength(1);
  });

  test("is refused on a parent that does not exist", async () => {
    const store = await scratchStore();
    const capture = await captureLayer(store, writtenMemory(BLANK, { 3: 7 }), "0".repeat(31).concat("1"));
    await expect(capture.publish()).rejects.toMatchObject({ code: "not_found" });
    expect(await readdir(store.layerDirectory)).toEqual([]);
  });

  test("may share its parent with others at the same time", async () => {
    const store = await scratchStore({ captureBuffers: 2 });
    const before = writtenMemory(BLANK, { 3: 7 });
    const parent = await (await captureLayer(store, before, null)).publish();
    const memories = Array.from({ length: 8 }, (_, index) => writtenMemory(before.content, { 5: index, 6: index + 1 }));
    const headers = await Promise.all(
      memories.map(async (memory) => (await captureLayer(store, memory, parent.id)).publish()),
    );
    for (const [index, header] of headers.entries()) {
      expect((await readMemory(store, header.id)).equals(memories[index]!.content)).toBe(true);
    }
  });
});

function boundTo(file: StoredFile): Partial<StoredFile> {
  return {
    read: (target, position) => file.read(target, position),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    size: () => file.size(),
    nextData: (position) => file.nextData(position),
    close: () => file.close(),
  };
}
