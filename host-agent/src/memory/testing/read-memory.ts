import type { StoredFile } from "../store/files.ts";
import type { MemoryStore } from "../store/store.ts";

/** Puts a memory together from its header and layers, byte by byte as they are on disk. */
export async function readMemory(store: MemoryStore, headerId: string): Promise<Buffer> {
  const lease = await store.lease(headerId);
  const layers = new Map<string, StoredFile>();
  try {
    const { memorySize, entries } = lease.header;
    const memory = Buffer.alloc(memorySize);
    for (const { offset, length, layer, storageOffset } of entries) {
      if (layer === null) continue;
      const file = layers.get(layer) ?? (await store.files.open(store.layerPath(layer)));
      layers.set(layer, file);
      await file.read(memory.subarray(offset, offset + length), storageOffset);
    }
    return memory;
  } finally {
    lease.end();
    for (const file of layers.values()) await file.close();
  }
}
