import { errorCode } from "./files.ts";
import { DamagedSnapshotError, type HeaderSummary } from "./header.ts";
import type { MemoryStore } from "./store.ts";

/** What a collection did. */
export interface Collection {
  /** Ids of the layers that were removed. */
  removed: string[];
  /** Headers that cannot be read. While there is one, no layer is removed, because it may need any of them. */
  damaged: DamagedSnapshotError[];
}

/**
 * Removes the layers that no header on disk needs and that nothing in this process holds. Safe at any time and against
 * a loss of power at any point: a layer goes only after the absence of every header that needed it is durable.
 */
export function collectGarbage(store: MemoryStore): Promise<Collection> {
  return store.collection(async (pinned) => {
    // In this order: a layer that was there before the headers were read is named by one of them, or was pinned by
    // whoever is about to publish it, or is garbage.
    const layers = await store.listLayers();
    const { summaries, damaged } = await readSummaries(store);
    if (damaged.length > 0) return { removed: [], damaged };
    const needed = new Set(summaries.flatMap((header) => header.layers.map((layer) => layer.id)));
    const garbage = layers.filter((id) => !needed.has(id));
    if (garbage.length > 0) await store.files.syncDirectory(store.headerDirectory);
    const removed: string[] = [];
    for (const id of garbage) {
      if (pinned.has(id)) continue;
      await store.removeLayer(id);
      removed.push(id);
    }
    return { removed, damaged };
  });
}

/** Space on disk that one header takes. */
export interface HeaderUsage {
  /** Allocated bytes of the header and all its layers. */
  bytes: number;
  /** Those among them that would be freed with it, because no other header needs the layers. */
  exclusiveBytes: number;
}

/** Space on disk, in allocated blocks × 512. */
export interface StoreUsage {
  headers: Map<string, HeaderUsage>;
  /** Everything in the store: headers and layers, each layer once, garbage included. */
  bytes: number;
}

/** Measures the store. Headers that cannot be read count with their own file alone. */
export async function measureUsage(store: MemoryStore): Promise<StoreUsage> {
  const layerBytes = new Map<string, number>();
  for (const id of await store.listLayers()) layerBytes.set(id, await allocated(store, store.layerPath(id)));
  const { summaries } = await readSummaries(store);
  const users = new Map<string, number>();
  for (const { layers } of summaries) for (const { id } of layers) users.set(id, (users.get(id) ?? 0) + 1);

  const headers = new Map<string, HeaderUsage>();
  let headerBytes = 0;
  for (const id of await store.list()) {
    const bytes = await allocated(store, store.headerPath(id));
    headerBytes += bytes;
    headers.set(id, { bytes, exclusiveBytes: bytes });
  }
  for (const { id, layers } of summaries) {
    const usage = headers.get(id);
    if (usage === undefined) continue;
    for (const layer of layers) {
      const bytes = layerBytes.get(layer.id) ?? 0;
      usage.bytes += bytes;
      if (users.get(layer.id) === 1) usage.exclusiveBytes += bytes;
    }
  }
  const total = [...layerBytes.values()].reduce((sum, bytes) => sum + bytes, headerBytes);
  return { headers, bytes: total };
}

/** The summaries of all headers on disk, released ones that are still pinned included. */
async function readSummaries(
  store: MemoryStore,
): Promise<{ summaries: HeaderSummary[]; damaged: DamagedSnapshotError[] }> {
  const summaries: HeaderSummary[] = [];
  const damaged: DamagedSnapshotError[] = [];
  for (const id of await store.listOnDisk()) {
    try {
      summaries.push(await store.summary(id));
    } catch (error) {
      if (error instanceof DamagedSnapshotError) damaged.push(error);
      // A header that is gone by the time it is read was released meanwhile; its layers are pinned or garbage.
      else if (!(await isGone(store, id))) throw error;
    }
  }
  return { summaries, damaged };
}

async function isGone(store: MemoryStore, id: string): Promise<boolean> {
  return !(await store.listOnDisk()).includes(id);
}

async function allocated(store: MemoryStore, path: string): Promise<number> {
  try {
    return (await store.files.stat(path)).allocatedBytes;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}
