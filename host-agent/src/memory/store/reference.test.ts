import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { captureLayer } from "../capture/capture.ts";
import { ProcessMemory } from "../capture/dirty-pages.ts";
import { ImageCache } from "../image-cache/image-cache.ts";
import { PAGE_SIZE } from "../pages.ts";
import { FileMapping } from "../testing/file-mapping.ts";
import { reopened, scratchStore } from "../testing/scratch.ts";
import { collectGarbage } from "./garbage.ts";
import { GENERATION_CAP, mergeDue, mergeLayers } from "./merge.ts";
import type { MemoryStore } from "./store.ts";

const PAGES = 40;
const SIZE = PAGES * PAGE_SIZE;
const GENERATIONS = 2 * GENERATION_CAP + 3;

/** What happens to one memory between two captures: bytes that fill pages, by page; then whether it is merged. */
const step = fc.record({
  /** How far back the memory comes from that is restored; 0 = the last one captured. */
  back: fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, { arbitrary: fc.nat(3), weight: 1 }),
  writes: fc.array(fc.tuple(fc.nat(PAGES - 1), fc.oneof(fc.constant(0), fc.nat(255))), { maxLength: 12 }),
  merge: fc.constantFrom("when due", "always", "never"),
  restart: fc.boolean(),
});

test("any pattern of changed, zero and unchanged pages, over more generations than the cap, equals a plain memory", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: GENERATIONS, maxLength: GENERATIONS }), async (steps) => {
      let store = await scratchStore();
      let cache = await openCache(store);
      /** Captured memories, oldest first, with what they must be. */
      const captured: { id: string | null; content: Buffer }[] = [{ id: null, content: Buffer.alloc(SIZE) }];
      for (const { back, writes, merge, restart } of steps) {
        const from = captured.at(-1 - Math.min(back, captured.length - 1))!;
        const image = from.id === null ? await cache.acquireBlank(SIZE) : await cache.acquire(from.id);
        const guest = new FileMapping(image.path, SIZE);
        expect(guest.memory.equals(from.content)).toBe(true);
        for (const [page, byte] of writes) guest.page(page).fill(byte);
        const content = Buffer.from(guest.memory);
        const memory = await ProcessMemory.open(guest.mapping);
        const header = await (await captureLayer(store, memory, from.id)).publish();
        await memory.close();
        guest.unmap();
        await image.release();

        captured.push({ id: header.id, content });
        const [forgotten] = captured.length > 5 ? captured.splice(0, 1) : [];
        if (forgotten?.id) await store.release(forgotten.id);
        if (merge === "always" || (merge === "when due" && (await mergeDue(store, header.id)))) {
          await mergeLayers(store, header.id);
        }
        await collectGarbage(store);
        if (restart) {
          store = await reopened(store);
          cache = await openCache(store);
        }
        expect((await store.open(header.id)).layers.length).toBeLessThanOrEqual(2 * GENERATION_CAP);
      }
      for (const { id, content } of captured) {
        if (id === null) continue;
        await store.verify(id);
        const image = await cache.acquire(id);
        expect((await readFile(image.path)).equals(content)).toBe(true);
        await image.release();
      }
    }),
    { numRuns: 12 },
  );
});

function openCache(store: MemoryStore): Promise<ImageCache> {
  return ImageCache.open(store, join(store.directory, "images"), 20 * SIZE);
}
