import { fstatSync, readlinkSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isSealed } from "../../linux/sealed-memory.ts";
import { captureLayer } from "../capture/capture.ts";
import { ProcessMemory } from "../capture/dirty-pages.ts";
import { PAGE_SIZE } from "../pages.ts";
import { collectGarbage } from "../store/garbage.ts";
import type { MemoryHeader } from "../store/header.ts";
import { mergeLayers } from "../store/merge.ts";
import type { MemoryStore } from "../store/store.ts";
import { FileMapping } from "../testing/file-mapping.ts";
import { publisher } from "../testing/publisher.ts";
import { readMemory } from "../testing/read-memory.ts";
import { reopened, scratchStore } from "../testing/scratch.ts";
import { ImageCache } from "./image-cache.ts";

const SIZE = 512 * PAGE_SIZE;
const AMPLE = 1024 ** 3;

async function opened(store: MemoryStore, limitBytes = AMPLE): Promise<ImageCache> {
  return ImageCache.open(store, join(store.directory, "images"), limitBytes);
}

/** The cache of a VMM that opens for writing what it maps. */
async function openedForWriting(store: MemoryStore): Promise<ImageCache> {
  return ImageCache.open(store, join(store.directory, "images"), AMPLE, { opensForWriting: true });
}

const published = publisher(SIZE);

async function allocated(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}

async function expectContent(store: MemoryStore, path: string, headerId: string): Promise<void> {
  expect((await readFile(path)).equals(await readMemory(store, headerId))).toBe(true);
}

describe("the image of a memory", () => {
  test("that was captured whole is its layer, without a copy", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const header = await published(store, null, { 1: 1, 2: 0, 400: 2 });
    const image = await cache.acquire(header.id);
    expect(image.path).toBe(store.layerPath(header.layers[0]!.id));
    await expectContent(store, image.path, header.id);
    expect(cache.bytes).toBe(0);
    await image.release();
  });

  test("of several layers is composed once for all who use it, and takes no more than its pages", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const base = await published(store, null, { 1: 1, 2: 2, 400: 3 });
    const header = await published(store, base, { 2: 0, 3: 9 });
    const images = await Promise.all([cache.acquire(header.id), cache.acquire(header.id), cache.acquire(header.id)]);
    expect(new Set(images.map((image) => image.path)).size).toBe(1);
    await expectContent(store, images[0]!.path, header.id);
    expect(await allocated(images[0]!.path)).toBe(3 * PAGE_SIZE);
    expect(cache.bytes).toBe(3 * PAGE_SIZE);
    for (const image of images) await image.release();
  });

  test("whose only layer has pages that became zero since is composed", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const base = await published(store, null, { 1: 1, 2: 2 });
    const header = await published(store, base, { 2: 0 });
    const image = await cache.acquire(header.id);
    expect(image.path).not.toBe(store.layerPath(header.layers[0]!.id));
    await expectContent(store, image.path, header.id);
    await image.release();
  });

  test("of blank memory is a file of holes", async () => {
    const cache = await opened(await scratchStore());
    const image = await cache.acquireBlank(SIZE);
    expect(await stat(image.path)).toMatchObject({ size: SIZE, blocks: 0 });
    expect((await cache.acquireBlank(SIZE)).path).toBe(image.path);
  });

  test("is refused when a layer has changed on disk", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1 });
    const header = await published(store, base, { 2: 2 });
    await writeFile(store.layerPath(header.layers[1]!.id), Buffer.alloc(PAGE_SIZE, 3));
    const again = await reopened(store);
    const cache = await opened(again);
    await expect(cache.acquire(header.id)).rejects.toMatchObject({ code: "snapshot_damaged", fault: "checksum" });
    expect(await readdir(join(again.directory, "images"))).toEqual(["boot-id"]);
    await (await cache.acquire(base.id)).release();
  });

  test("keeps its header, until it is released", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const header = await published(store, null, { 1: 1 });
    const image = await cache.acquire(header.id);
    await store.release(header.id);
    await collectGarbage(store);
    expect((await stat(image.path)).size).toBe(SIZE);
    await image.release();
    await collectGarbage(store);
    await expect(stat(image.path)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(cache.acquire(header.id)).rejects.toMatchObject({ code: "not_found" });
  });

  test("stays as it is while the layers below are merged", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const headers: MemoryHeader[] = [];
    for (let page = 0; page < 5; page++)
      headers.push(await published(store, headers.at(-1) ?? null, { [page]: page + 1 }));
    const last = headers.at(-1)!;
    for (const header of headers.slice(0, -1)) await store.release(header.id);
    const image = await cache.acquire(last.id);
    const before = await readFile(image.path);
    expect(await mergeLayers(store, last.id)).toBe(true);
    await collectGarbage(store);
    expect((await readFile(image.path)).equals(before)).toBe(true);
    expect((await cache.acquire(last.id)).path).toBe(image.path);
    await expectContent(store, image.path, last.id);
  });
});

describe("the image cache", () => {
  test("turns the image of a superseded memory into that of its successor", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const base = await published(store, null, { 1: 1, 2: 2, 400: 3 });
    const first = await published(store, base, { 2: 4, 3: 5 });
    const running = await cache.acquire(first.id);
    const inode = (await stat(running.path)).ino;
    const second = await published(store, first, { 3: 0, 7: 7 });
    await store.release(first.id);
    await running.release();

    const image = await cache.acquire(second.id);
    expect((await stat(image.path)).ino).toBe(inode);
    await expectContent(store, image.path, second.id);
    expect(await allocated(image.path)).toBe(4 * PAGE_SIZE);
    const names = (await readdir(join(store.directory, "images"))).toSorted();
    expect(names).toEqual([`${second.id}.image`, `${second.id}.map`, "boot-id"].toSorted());
    await image.release();
  });

  test("never takes an image that is mapped, or whose memory can still be restored", async () => {
    const store = await scratchStore();
    const cache = await opened(store);
    const base = await published(store, null, { 1: 1 });
    const first = await published(store, base, { 2: 4 });
    const running = await cache.acquire(first.id);
    const content = await readFile(running.path);
    const second = await published(store, first, { 7: 7 });
    const third = await published(store, first, { 7: 8 });
    await cache.prepare(second.id);
    await store.release(first.id);
    await cache.prepare(third.id);
    expect((await readFile(running.path)).equals(content)).toBe(true);
    await running.release();
  });

  test("removes images that nobody maps, least recently used first, when it outgrows its limit", async () => {
    const store = await scratchStore();
    const cache = await opened(store, 3 * PAGE_SIZE);
    const base = await published(store, null, { 1: 1 });
    const headers = [];
    for (const byte of [2, 3, 4]) headers.push(await published(store, base, { 2: byte }));
    const [first, second, third] = headers.map((header) => header.id);
    const held = await cache.acquire(first!);
    await cache.prepare(second!);
    expect(cache.bytes).toBe(2 * PAGE_SIZE);
    await cache.prepare(third!);
    expect(cache.bytes).toBe(2 * PAGE_SIZE);
    await expectContent(store, held.path, first!);
    await held.release();
    await cache.trim(0);
    expect(cache.bytes).toBe(0);
    expect(await readdir(join(store.directory, "images"))).toEqual(["boot-id"]);
    const again = await cache.acquire(third!);
    await expectContent(store, again.path, third!);
  });

  test("finds its images again after a restart of the host agent, and drops half-made ones", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1 });
    const header = await published(store, base, { 2: 2 });
    const image = await (await opened(store)).acquire(header.id);
    const inode = (await stat(image.path)).ino;
    const directory = join(store.directory, "images");
    await writeFile(join(directory, `${"2".repeat(32)}.image.tmp`), "half");
    await writeFile(join(directory, `${"3".repeat(32)}.map`), "no image");

    const again = await reopened(store);
    const cache = await opened(again, 0);
    const adopted = cache.adopt(header.id, image.path);
    expect((await readdir(directory)).toSorted()).toEqual(
      [`${header.id}.image`, `${header.id}.map`, "boot-id"].toSorted(),
    );
    await cache.trim();
    expect((await stat(adopted.path)).ino).toBe(inode);
    await again.release(header.id);
    expect(await again.listOnDisk()).toContain(header.id);
    await adopted.release();
    expect(await again.listOnDisk()).not.toContain(header.id);
    expect(cache.bytes).toBe(0);
  });

  test("trusts no image of an earlier boot of the host", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1 });
    const header = await published(store, base, { 2: 2 });
    await (await opened(store)).prepare(header.id);
    const directory = join(store.directory, "images");
    await writeFile(join(directory, "boot-id"), "00000000-0000-0000-0000-000000000000");
    const cache = await opened(await reopened(store));
    expect(await readdir(directory)).toEqual(["boot-id"]);
    expect(cache.bytes).toBe(0);
  });
});

describe("for a VMM that opens files for writing, an image", () => {
  test("of a memory that many start from is sealed, one for all of them, and freed with the last", async () => {
    const store = await scratchStore();
    const cache = await openedForWriting(store);
    const whole = await published(store, null, { 1: 1, 400: 2 });
    const header = await published(store, whole, { 1: 0, 3: 9 });
    for (const { id } of [whole, header]) {
      const [one, two] = await Promise.all([cache.acquire(id), cache.acquire(id)]);
      expect(one.sealed).toBe(two.sealed);
      expect(one.own).toBe(false);
      expect(isSealed(one.sealed!)).toBe(true);
      await expectContent(store, `/proc/self/fd/${one.sealed}`, id);
      expect(fstatSync(one.sealed!).blocks * 512).toBe(2 * PAGE_SIZE);
      expect(readlinkSync(`/proc/self/fd/${one.sealed}`)).toBe(`${one.path} (deleted)`);
      expect(cache.sealedBytes).toBe(SIZE);
      await one.release();
      await one.release();
      expect(cache.sealedBytes).toBe(SIZE);
      await two.release();
      expect(cache.sealedBytes).toBe(0);
      expect(() => fstatSync(one.sealed!)).toThrow("EBADF");
    }
    expect(await readdir(join(store.directory, "images"))).toEqual(["boot-id"]);
  });

  test("of one sandbox's own memory is a file that is never given twice", async () => {
    const store = await scratchStore();
    const cache = await openedForWriting(store);
    const header = await published(store, null, { 1: 1, 2: 2 });
    const layer = store.layerPath(header.layers[0]!.id);
    const first = await cache.acquire(header.id, true);
    expect(first).toMatchObject({ own: true });
    expect((await stat(first.path)).ino).not.toBe((await stat(layer)).ino);
    await writeFile(first.path, Buffer.alloc(SIZE, 7));
    const beside = await cache.acquire(header.id, true);
    expect(beside.sealed).toBeDefined();
    await beside.release();
    await first.release();
    for (const again of [await cache.acquire(header.id, true), await cache.acquire(header.id)]) {
      await expectContent(store, again.sealed === undefined ? again.path : `/proc/self/fd/${again.sealed}`, header.id);
      await again.release();
    }
  });

  test("that an earlier host agent gave away is put together anew, and stays while its microVM runs", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1 });
    const image = await (await openedForWriting(store)).acquire(header.id, true);
    await writeFile(image.path, Buffer.alloc(SIZE, 7));
    const again = await reopened(store);
    const cache = await openedForWriting(again);
    const adopted = cache.adopt(header.id, image.path);
    expect((await cache.acquire(header.id, true)).sealed).toBeDefined();
    await adopted.release();
    await expectContent(again, (await cache.acquire(header.id, true)).path, header.id);
  });

  test("of blank memory is one microVM's, and goes with it", async () => {
    const store = await scratchStore();
    const cache = await openedForWriting(store);
    const [one, two] = [await cache.acquireBlank(SIZE), await cache.acquireBlank(SIZE)];
    expect(one).toMatchObject({ own: true, headerId: null });
    expect(two.path).not.toBe(one.path);
    await two.release();
    await expect(stat(two.path)).rejects.toMatchObject({ code: "ENOENT" });

    const next = await openedForWriting(await reopened(store));
    const adopted = next.adopt(null, one.path);
    await next.collect();
    expect((await stat(one.path)).size).toBe(SIZE);
    await adopted.release();
    await expect(stat(one.path)).rejects.toMatchObject({ code: "ENOENT" });
    await (await openedForWriting(store)).acquireBlank(SIZE);
    await next.collect();
    expect(await readdir(join(store.directory, "images"))).toEqual(["boot-id"]);
  });

  test("goes on from pause to pause in one file, as for any other VMM", async () => {
    const store = await scratchStore();
    const cache = await openedForWriting(store);
    const base = await published(store, null, { 1: 1, 2: 2, 400: 3 });
    const first = await published(store, base, { 2: 4, 3: 5 });
    const running = await cache.acquire(first.id, true);
    const inode = (await stat(running.path)).ino;
    const second = await published(store, first, { 3: 0, 7: 7 });
    await store.release(first.id);
    await running.release();
    const image = await cache.acquire(second.id, true);
    expect((await stat(image.path)).ino).toBe(inode);
    await expectContent(store, image.path, second.id);
    await image.release();
  });
});

test("a process goes on from its image through captures, as a restored guest does", async () => {
  const store = await scratchStore();
  const cache = await opened(store);
  let image = await cache.acquireBlank(SIZE);
  const expected = Buffer.alloc(SIZE);
  for (let generation = 0; generation < 4; generation++) {
    const mapping = new FileMapping(image.path, SIZE);
    expect(mapping.memory.equals(expected)).toBe(true);
    mapping.page(generation).fill(generation + 1);
    mapping.page(200).fill(generation % 2);
    mapping.memory.copy(expected);
    const memory = await ProcessMemory.open(mapping.mapping);
    const header = await (await captureLayer(store, memory, image.headerId)).publish();
    await memory.close();
    mapping.unmap();
    const superseded = image.headerId;
    await image.release();
    if (superseded !== null) await store.release(superseded);
    image = await cache.acquire(header.id);
  }
  expect((await readFile(image.path)).equals(expected)).toBe(true);
});

test("an image goes with its header, unless the image of a child may be made of it", async () => {
  const store = await scratchStore();
  const cache = await opened(store);
  const base = await published(store, null, { 1: 1 });
  const parent = await published(store, base, { 2: 2 });
  const child = await published(store, parent, { 3: 3 });
  const unrelated = await published(store, base, { 4: 4 });
  const held = await published(store, base, { 5: 5 });
  for (const { id } of [parent, unrelated]) await cache.prepare(id);
  const image = await cache.acquire(held.id);
  const images = async () => (await readdir(join(store.directory, "images"))).filter((name) => name.endsWith(".image"));
  await cache.collect();
  expect(await images()).toHaveLength(3);
  for (const { id } of [parent, unrelated, held]) await store.release(id);
  await collectGarbage(store);
  await cache.collect();
  expect((await images()).sort()).toEqual([`${held.id}.image`, `${parent.id}.image`].sort());
  await cache.prepare(child.id);
  await image.release();
  await cache.collect();
  expect(await images()).toEqual([`${child.id}.image`]);
});
