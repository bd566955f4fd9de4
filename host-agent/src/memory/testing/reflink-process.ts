/* Composes an image in a directory whose file system can share extents, and reports what that took as JSON. */
import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { captureLayer } from "../capture/capture.ts";
import { ImageCache } from "../image-cache/image-cache.ts";
import { PAGE_SIZE } from "../pages.ts";
import { MemoryStore } from "../store/store.ts";
import { PlainMemory } from "./plain-memory.ts";

const PAGES = 16_384;

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: reflink-process DIRECTORY");

async function freeBytes(path: string): Promise<number> {
  const { bfree, bsize } = await statfs(path);
  return bfree * bsize;
}

const store = await MemoryStore.open(join(directory, "memory"), { captureBuffers: 2, backgroundBuffers: 1 });
const cache = await ImageCache.open(store, join(directory, "memory", "images"), 1024 ** 3);
const memory = new PlainMemory(Buffer.alloc(PAGES * PAGE_SIZE));
for (let page = 0; page < PAGES / 2; page++) memory.fill(page, 1 + (page % 255));
const base = await (await captureLayer(store, memory, null)).publish();
const changed = new PlainMemory(memory.content);
for (let page = 0; page < PAGES / 2; page += 50) changed.fill(page, page % 3);
const header = await (await captureLayer(store, changed, base.id)).publish();
const before = await freeBytes(directory);
const image = await cache.acquire(header.id);
const equal = (await readFile(image.path)).equals(changed.content);
process.stdout.write(
  JSON.stringify({ equal, imageBytes: cache.bytes, takenBytes: before - (await freeBytes(directory)) }),
);
