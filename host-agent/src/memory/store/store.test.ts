import { copyFile, mkdir, readdir, readFile, rename, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { captureLayer } from "../capture/capture.ts";
import { PAGE_SIZE } from "../pages.ts";
import { PlainMemory } from "../testing/plain-memory.ts";
import { publisher } from "../testing/publisher.ts";
import { readMemory } from "../testing/read-memory.ts";
import { reopened, scratchStore } from "../testing/scratch.ts";
import { type FileSystem, hostFiles } from "./files.ts";
import { collectGarbage, measureUsage } from "./garbage.ts";
import type { MemoryHeader } from "./header.ts";
import { GENERATION_CAP, mergeDue, mergeLayers } from "./merge.ts";
import type { MemoryStore } from "./store.ts";

const SIZE = 600 * PAGE_SIZE;

const published = publisher(SIZE);

/** A chain of headers, each with one page more than the one before. */
async function chain(store: MemoryStore, length: number): Promise<MemoryHeader[]> {
  const headers: MemoryHeader[] = [];
  for (let index = 0; index < length; index++) {
    headers.push(await published(store, headers.at(-1) ?? null, { [index]: index + 1 }));
  }
  return headers;
}

async function layerFiles(store: MemoryStore): Promise<string[]> {
  return (await readdir(store.layerDirectory)).toSorted();
}

describe("the store", () => {
  test("opens what it published, in this process and the next", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1, 500: 2 });
    expect(await store.open(header.id)).toEqual(header);
    const again = await reopened(store);
    expect(await again.list()).toEqual([header.id]);
    expect(await again.open(header.id)).toEqual(header);
    await again.verify(header.id);
  });

  test("knows nothing of ids that it never published", async () => {
    const store = await scratchStore();
    await expect(store.open("1".repeat(32))).rejects.toMatchObject({ code: "not_found" });
    expect(await store.has("1".repeat(32))).toBe(false);
    await store.release("1".repeat(32));
  });

  test("drops half-written files when it is opened, and nothing else", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1 });
    await writeFile(join(store.layerDirectory, `${"2".repeat(32)}.layer.tmp`), "half");
    await writeFile(join(store.headerDirectory, `${"2".repeat(32)}.header.tmp`), "half");
    await writeFile(join(store.headerDirectory, "README"), "foreign");
    const again = await reopened(store);
    expect((await readdir(again.headerDirectory)).toSorted()).toEqual([`${header.id}.header`, "README"].toSorted());
    expect(await layerFiles(again)).toEqual([`${header.layers[0]!.id}.layer`]);
    expect(await again.list()).toEqual([header.id]);
    await again.verify(header.id);
  });

  test("keeps a released header for as long as it is pinned", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1 });
    const first = store.pin(header.id);
    const second = store.pin(header.id);
    await store.release(header.id);
    expect(await store.has(header.id)).toBe(false);
    expect(await store.list()).toEqual([]);
    await first.release();
    await first.release();
    await collectGarbage(store);
    // A microVM that runs on it can still be captured.
    const child = await published(store, header, { 2: 2 });
    await second.release();
    await expect(store.open(header.id)).rejects.toMatchObject({ code: "not_found" });
    expect(await store.listOnDisk()).toEqual([child.id]);
    await collectGarbage(store);
    await store.verify(child.id);
  });

  test("lists a released header again when the process ended before its last pin", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1 });
    store.pin(header.id);
    await store.release(header.id);
    expect(await (await reopened(store)).list()).toEqual([header.id]);
  });
});

describe("a damaged file", () => {
  const damages: [string, string, (path: { layer: string; header: string; other: string }) => Promise<void>][] = [
    ["a layer cut short", "layer_size", ({ layer }) => truncate(layer, 100)],
    ["a layer that has grown", "layer_size", ({ layer }) => truncate(layer, 2 * SIZE)],
    ["a missing layer", "layer_missing", ({ layer }) => unlink(layer)],
    ["a header cut short", "truncated", ({ header }) => truncate(header, 100)],
    ["a header of something else", "foreign", ({ header }) => writeFile(header, Buffer.alloc(4096, 1))],
    ["an empty header", "foreign", ({ header }) => truncate(header, 0)],
    ["a header under another's name", "foreign", ({ header, other }) => copyFile(other, header)],
    ["a header with a changed byte", "checksum", ({ header }) => flip(header, 150)],
  ];

  test.each(damages)("%s is refused as %s and touches nothing else", async (_, fault, damage) => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1, 300: 2 });
    const sound = await published(store, base, { 2: 3 });
    const broken = await published(store, base, { 2: 4 });
    await damage({
      layer: store.layerPath(broken.layers.at(-1)!.id),
      header: store.headerPath(broken.id),
      other: store.headerPath(sound.id),
    });
    const again = await reopened(store);
    await expect(again.open(broken.id)).rejects.toMatchObject({ code: "snapshot_damaged", fault });
    await expect(again.verify(broken.id)).rejects.toMatchObject({ code: "snapshot_damaged" });
    await collectGarbage(again);
    for (const { id } of [base, sound]) await again.verify(id);
    // Given up, it goes like any other.
    await again.release(broken.id);
    expect((await collectGarbage(again)).damaged).toEqual([]);
    expect((await again.list()).toSorted()).toEqual([base.id, sound.id].toSorted());
    expect(await layerFiles(again)).toHaveLength(2);
  });

  test("with changed pages is found by reading it, wherever they are", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1, 300: 2, 599: 3 });
    const header = await published(store, base, { 2: 3 });
    const layers = [store.layerPath(base.layers[0]!.id), store.layerPath(header.layers[1]!.id)];
    // Pages with content, a hole, the last byte of a shorter last span.
    for (const [path, position] of [
      [layers[0]!, PAGE_SIZE],
      [layers[0]!, 300 * PAGE_SIZE + 77],
      [layers[0]!, 400 * PAGE_SIZE],
      [layers[0]!, SIZE - 1],
      [layers[1]!, 5],
    ] as const) {
      await flip(path, position);
      const again = await reopened(store);
      await expect(again.verify(header.id)).rejects.toMatchObject({ code: "snapshot_damaged", fault: "checksum" });
      await flip(path, position);
    }
    await store.verify(header.id);
  });

  test("keeps every layer from being collected while it may need one", async () => {
    const store = await scratchStore();
    const header = await published(store, null, { 1: 1 });
    const other = await published(store, null, { 1: 2 });
    await rename(store.headerPath(header.id), join(store.directory, "kept"));
    await writeFile(store.headerPath(header.id), "not a header");
    await store.release(other.id);
    const collection = await collectGarbage(store);
    expect(collection.removed).toEqual([]);
    expect(collection.damaged).toMatchObject([{ code: "snapshot_damaged" }]);
    await rename(join(store.directory, "kept"), store.headerPath(header.id));
    expect((await collectGarbage(store)).removed).toEqual([other.layers[0]!.id]);
    await store.verify(header.id);
  });
});

describe("a collection", () => {
  test("removes the layers that no header needs", async () => {
    const store = await scratchStore();
    const [first, second, third] = await chain(store, 3);
    await store.release(first!.id);
    expect((await collectGarbage(store)).removed).toEqual([]);
    await store.release(third!.id);
    expect((await collectGarbage(store)).removed).toEqual([third!.layers[2]!.id]);
    await store.verify(second!.id);
    await store.release(second!.id);
    await collectGarbage(store);
    expect(await layerFiles(store)).toEqual([]);
  });

  test("leaves layers alone that are being written, read or published meanwhile", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1 });
    const lease = await store.lease(base.id);
    await store.release(base.id);
    const memory = new PlainMemory(Buffer.alloc(SIZE));
    memory.fill(1, 9);
    const capture = await captureLayer(store, memory, null);
    const [header] = await Promise.all([capture.publish(), collectGarbage(store)]);
    await collectGarbage(store);
    await store.verify(header.id);
    expect(await layerFiles(store)).toHaveLength(2);
    lease.end();
    expect((await collectGarbage(store)).removed).toEqual([base.layers[0]!.id]);
  });
});

/** A store in which `interrupt` runs once in the midst of an operation on a path. */
async function interruptedStore(
  at: "after read" | "before rename",
  path: (name: string) => boolean,
  interrupt: () => Promise<void>,
): Promise<MemoryStore> {
  let armed = true;
  const once = async (name: string) => {
    if (!armed || !path(name)) return;
    armed = false;
    await interrupt();
  };
  const files: FileSystem = {
    ...hostFiles,
    async rename(from, to) {
      if (at === "before rename") await once(to);
      await hostFiles.rename(from, to);
    },
    async open(name) {
      const file = await hostFiles.open(name);
      if (at === "before rename") return file;
      const read = file.read.bind(file);
      file.read = async (target, position) => {
        await read(target, position);
        await once(name);
      };
      return file;
    },
  };
  return scratchStore({ files });
}

describe("an operation that meets a collection half-way", () => {
  test("keeps the layer that it is about to publish", async () => {
    const store: MemoryStore = await interruptedStore(
      "before rename",
      (name) => name.endsWith(".header"),
      async () => void (await collectGarbage(store)),
    );
    const header = await published(store, null, { 1: 1 });
    await store.verify(header.id);
  });

  test("does not read the layers of a header that is switched to others meanwhile", async () => {
    let target = "";
    const store: MemoryStore = await interruptedStore(
      "after read",
      (name) => name === target,
      async () => {
        expect(await mergeLayers(store, last.id)).toBe(true);
        expect((await collectGarbage(store)).removed).toHaveLength(3);
      },
    );
    const headers = await chain(store, 4);
    const last = headers.at(-1)!;
    for (const header of headers.slice(0, -1)) await store.release(header.id);
    const content = await readMemory(store, last.id);
    target = store.headerPath(last.id);
    expect((await readMemory(store, last.id)).equals(content)).toBe(true);
  });
});

describe("merging", () => {
  test("is due at the cap, keeps the content and gives the space of old layers back", async () => {
    const store = await scratchStore();
    const headers = await chain(store, GENERATION_CAP);
    const last = headers.at(-1)!;
    expect(await mergeDue(store, headers.at(-2)!.id)).toBe(false);
    expect(await mergeDue(store, last.id)).toBe(true);
    const before = await readMemory(store, last.id);
    for (const header of headers.slice(0, -1)) await store.release(header.id);

    expect(await mergeLayers(store, last.id)).toBe(true);
    const merged = await store.open(last.id);
    expect(merged).toMatchObject({ id: last.id, generation: last.generation, parentId: last.parentId });
    expect(merged.layers.map((layer) => layer.id).slice(0, 1)).toEqual([last.layers[0]!.id]);
    expect(merged.layers).toHaveLength(2);
    expect(merged.layers[1]!.storedBytes).toBe((GENERATION_CAP - 1) * PAGE_SIZE);
    expect((await collectGarbage(store)).removed).toHaveLength(GENERATION_CAP - 1);
    expect((await readMemory(await reopened(store), last.id)).equals(before)).toBe(true);
    await store.verify(last.id);
    expect(await mergeLayers(store, last.id)).toBe(false);
  });

  test("happens with the capture at the latest at twice the cap, also under a released parent that still runs", async () => {
    const store = await scratchStore();
    let last = (await chain(store, 2 * GENERATION_CAP)).at(-1)!;
    expect(last.layers).toHaveLength(2 * GENERATION_CAP);
    const pin = store.pin(last.id);
    for (const id of await store.list()) await store.release(id);
    const child = await published(store, last, { 100: 1 });
    expect(child.layers.length).toBeLessThanOrEqual(GENERATION_CAP);
    await pin.release();
    await collectGarbage(store);
    await store.verify(child.id);
    last = child;
    expect(await store.listLayers()).toHaveLength(last.layers.length);
  });

  test("shares layers that others need, and leaves theirs as they were", async () => {
    const store = await scratchStore();
    const headers = await chain(store, GENERATION_CAP);
    const last = headers.at(-1)!;
    const others = headers.slice(0, -1);
    const contents = await Promise.all(headers.map(({ id }) => readMemory(store, id)));
    expect(await mergeLayers(store, last.id)).toBe(true);
    const merged = await store.open(last.id);
    expect(merged.layers.length).toBeLessThanOrEqual(GENERATION_CAP / 2 + 1);
    expect(merged.layers.slice(0, -1)).toEqual(last.layers.slice(0, GENERATION_CAP / 2));
    await collectGarbage(store);
    for (const [index, { id }] of headers.entries()) {
      await store.verify(id);
      expect((await readMemory(store, id)).equals(contents[index]!)).toBe(true);
    }
    for (const header of others) expect(await store.open(header.id)).toEqual(header);
  });

  test("refuses damaged layers instead of passing them on", async () => {
    const store = await scratchStore();
    const headers = await chain(store, 4);
    const last = headers.at(-1)!;
    for (const header of headers.slice(0, -1)) await store.release(header.id);
    await flip(store.layerPath(last.layers[2]!.id), 10);
    const again = await reopened(store);
    await expect(mergeLayers(again, last.id)).rejects.toMatchObject({ code: "snapshot_damaged", fault: "checksum" });
    expect(await again.open(last.id)).toEqual(last);
    expect(await layerFiles(again)).toHaveLength(4);
  });

  test("of a header that was released meanwhile changes nothing", async () => {
    const store = await scratchStore();
    const last = (await chain(store, 4)).at(-1)!;
    const [switched] = await Promise.all([mergeLayers(store, last.id), store.release(last.id)]);
    expect(switched).toBe(false);
    expect(await store.has(last.id)).toBe(false);
    for (const id of await store.list()) await store.release(id);
    await collectGarbage(store);
    expect(await layerFiles(store)).toEqual([]);
  });

  test("under a capture leaves the capture whole", async () => {
    const store = await scratchStore();
    const headers = await chain(store, 6);
    const last = headers.at(-1)!;
    for (const header of headers.slice(0, -1)) await store.release(header.id);
    const memory = new PlainMemory(await readMemory(store, last.id));
    memory.fill(100, 77);
    const capture = await captureLayer(store, memory, last.id);
    const merging = mergeLayers(store, last.id).then(() => collectGarbage(store));
    const header = await capture.publish();
    await merging;
    await collectGarbage(store);
    await store.verify(header.id);
    expect((await readMemory(store, header.id)).equals(memory.content)).toBe(true);
  });
});

describe("disk usage", () => {
  test("counts shared layers once per store and shows what each header would free", async () => {
    const store = await scratchStore();
    const base = await published(store, null, { 1: 1, 2: 2, 3: 3 });
    const child = await published(store, base, { 4: 4 });
    const usage = await measureUsage(store);
    const fileBytes = async (path: string) => (await stat(path)).blocks * 512;
    const [baseHeader, childHeader] = [
      await fileBytes(store.headerPath(base.id)),
      await fileBytes(store.headerPath(child.id)),
    ];
    expect(usage.headers.get(base.id)).toEqual({ bytes: baseHeader + 3 * PAGE_SIZE, exclusiveBytes: baseHeader });
    expect(usage.headers.get(child.id)).toEqual({
      bytes: childHeader + 4 * PAGE_SIZE,
      exclusiveBytes: childHeader + PAGE_SIZE,
    });
    expect(usage.bytes).toBe(baseHeader + childHeader + 4 * PAGE_SIZE);
    await mkdir(join(store.layerDirectory, "foreign"));
    expect((await measureUsage(store)).bytes).toBe(usage.bytes);
  });
});

/** Changes one byte of a file; done twice, it is as before. */
async function flip(path: string, position: number): Promise<void> {
  const content = await readFile(path);
  content[position] = content[position]! ^ 0x55;
  await writeFile(path, content);
}
