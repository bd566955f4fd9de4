import { captureLayer } from "../capture/capture.ts";
import type { MemoryHeader } from "../store/header.ts";
import type { MemoryStore } from "../store/store.ts";
import { PlainMemory } from "./plain-memory.ts";
import { readMemory } from "./read-memory.ts";

/** Publishes memories of `size` bytes: each that of its parent, or zeros, with some pages filled with a byte. */
export function publisher(size: number) {
  return async (
    store: MemoryStore,
    parent: MemoryHeader | null,
    writes: Record<number, number>,
  ): Promise<MemoryHeader> => {
    const memory = new PlainMemory(parent === null ? Buffer.alloc(size) : await readMemory(store, parent.id));
    for (const [page, byte] of Object.entries(writes)) memory.fill(Number(page), byte);
    return (await captureLayer(store, memory, parent?.id ?? null)).publish();
  };
}
