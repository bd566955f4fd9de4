/* Works on a store in a directory whose file system holds 12 MiB, and reports what became of it as JSON. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { captureLayer } from "../capture/capture.ts";
import { ImageCache } from "../image-cache/image-cache.ts";
import { PAGE_SIZE } from "../pages.ts";
import { collectGarbage } from "../store/garbage.ts";
import { MemoryStore } from "../store/store.ts";
import { PlainMemory } from "./plain-memory.ts";

const MIB_PAGES = 256;
const SIZE = 32 * MIB_PAGES * PAGE_SIZE;

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: full-disk-process DIRECTORY");

function memoryWith(pages: number, byte: number): PlainMemory {
  const memory = new PlainMemory(Buffer.alloc(SIZE));
  for (let page = 0; page < pages; page++) memory.fill(page, byte);
  return memory;
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return error instanceof WarrenError ? error.code : String(error);
  }
}

const facts = [];
for (const captureBuffers of [1, 6]) {
  const store = await MemoryStore.open(join(directory, "memory"), { captureBuffers, backgroundBuffers: 1 });
  const cache = await ImageCache.open(store, join(directory, "memory", "images"), 1024 ** 3);
  const base = await (await captureLayer(store, memoryWith(2 * MIB_PAGES, 1), null)).publish();
  let streamed: boolean | undefined;
  const tooLarge = await codeOf(async () => {
    const capture = await captureLayer(store, memoryWith(16 * MIB_PAGES, 2), base.id);
    streamed = capture.figures.streamed;
    await capture.publish();
  });
  const leftOver = readdirSync(store.layerDirectory).length - base.layers.length;

  // Composing gives up older images before it gives up.
  const first = await (await captureLayer(store, memoryWith(MIB_PAGES, 3), base.id)).publish();
  const second = await (await captureLayer(store, memoryWith(MIB_PAGES, 4), base.id)).publish();
  const third = await (await captureLayer(store, memoryWith(MIB_PAGES, 5), base.id)).publish();
  const fourth = await (await captureLayer(store, memoryWith(MIB_PAGES, 6), base.id)).publish();
  for (const { id } of [first, second, third]) await cache.prepare(id);
  const held = [await cache.acquire(first.id), await cache.acquire(second.id)];
  const cannotCompose = await codeOf(async () => {
    held.push(await cache.acquire(third.id), await cache.acquire(fourth.id));
  });
  const temporaryImages = readdirSync(join(directory, "memory", "images")).filter((name) => name.endsWith(".tmp"));
  for (const { id } of [base, first, second, third, fourth]) await store.verify(id);
  facts.push({
    captureBuffers,
    tooLarge,
    streamed: streamed ?? "never copied",
    leftOver,
    cannotCompose,
    temporaryImages,
  });

  for (const image of held) await image.release();
  await cache.trim(0);
  for (const id of await store.list()) await store.release(id);
  await collectGarbage(store);
}
process.stdout.write(JSON.stringify(facts));
