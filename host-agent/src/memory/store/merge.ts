import { WarrenError } from "@warren/contracts/errors";
import type { PageRange } from "../pages.ts";
import { explainFullDisk, type StoredFile } from "./files.ts";
import type { MemoryHeader } from "./header.ts";
import { LayerWriter } from "./layer-writer.ts";
import { type MappingEntry, overlay } from "./mapping.ts";
import type { MemoryStore } from "./store.ts";

/** Layers that a header may rest on before it is to be merged. */
export const GENERATION_CAP = 8;

/** Whether a header rests on so many layers that the next capture of its memory would exceed the cap. */
export async function mergeDue(store: MemoryStore, headerId: string): Promise<boolean> {
  return (await store.summary(headerId)).layers.length >= GENERATION_CAP;
}

/**
 * Gives a header fewer layers with the same content: the pages that it takes from layers of its own are written into
 * one new layer, and the header is switched to it by one rename. Layers that other headers rest on too, up to half the
 * cap, stay shared, and so does the oldest one, which is the image of the template. No existing layer is changed;
 * those that nothing needs any more go with the next collection. Returns whether the header was switched.
 */
export async function mergeLayers(store: MemoryStore, headerId: string): Promise<boolean> {
  const lease = await store.lease(headerId);
  try {
    const merged = await layersToMerge(store, lease.header);
    return merged.size >= 2 && (await rewrite(store, lease.header, merged));
  } catch (error) {
    throw explainFullDisk(error, "the layers of a memory could not be merged");
  } finally {
    lease.end();
  }
}

async function layersToMerge(store: MemoryStore, header: MemoryHeader): Promise<Set<string>> {
  const [oldest, ...others] = header.layers.map((layer) => layer.id);
  if (oldest === undefined) return new Set();
  const shared = new Set<string>();
  for (const id of await store.list()) {
    if (id === header.id) continue;
    // A header that is damaged or was released meanwhile has no say in how this one is stored.
    const summary = await store.summary(id).catch((error: unknown) => {
      if (error instanceof WarrenError) return undefined;
      throw error;
    });
    for (const layer of summary?.layers ?? []) shared.add(layer.id);
  }
  const kept = others.filter((id) => shared.has(id)).slice(0, GENERATION_CAP / 2 - 1);
  return new Set(others.filter((id) => !kept.includes(id)));
}

async function rewrite(store: MemoryStore, header: MemoryHeader, merged: ReadonlySet<string>): Promise<boolean> {
  for (const layer of header.layers) if (merged.has(layer.id)) await store.checkLayer(layer);
  const target = await store.createLayer("packed");
  try {
    const writer = new LayerWriter(target.id, target.file, "packed", header.memorySize);
    const moved = header.entries.filter((entry) => entry.layer !== null && merged.has(entry.layer));
    await copyEntries(store, moved, writer);
    const { entries, record } = await writer.finish();
    if (record === null) throw new WarrenError("internal_error", `the layers of memory ${header.id} hold no page`);
    const layers = [...header.layers.filter((layer) => !merged.has(layer.id)), record];
    return await store.replace({ ...header, layers, entries: overlay(header.entries, entries) }, target);
  } finally {
    await target.discard();
  }
}

/** Copies the pages of entries, in their order, to a writer, in long writes however short the entries are. */
async function copyEntries(store: MemoryStore, entries: MappingEntry[], writer: LayerWriter): Promise<void> {
  const sources = new Map<string, StoredFile>();
  const buffer = await store.backgroundBuffers.take();
  try {
    let ranges: PageRange[] = [];
    let filled = 0;
    for (const entry of entries) {
      const layer = entry.layer!;
      const source = sources.get(layer) ?? (await store.files.open(store.layerPath(layer)));
      sources.set(layer, source);
      for (let done = 0; done < entry.length; ) {
        const length = Math.min(buffer.length - filled, entry.length - done);
        await source.read(buffer.subarray(filled, filled + length), entry.storageOffset + done);
        ranges.push({ offset: entry.offset + done, length });
        filled += length;
        done += length;
        if (filled < buffer.length) continue;
        await writer.add(ranges, buffer);
        ranges = [];
        filled = 0;
      }
    }
    if (filled > 0) await writer.add(ranges, buffer.subarray(0, filled));
  } finally {
    store.backgroundBuffers.give(buffer);
    for (const source of sources.values()) await source.close();
  }
}
