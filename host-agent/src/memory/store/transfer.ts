import { link, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorCode, exists, explainFullDisk, hostFiles, TEMPORARY } from "./files.ts";
import { DamagedSnapshotError, type MemoryHeader, parseHeader } from "./header.ts";
import { checkLayerSize } from "./layer-check.ts";
import type { MemoryStore } from "./store.ts";

const COPY_LENGTH = 1024 * 1024;

/**
 * Puts the files of a memory into another directory, as links where the file system allows and as copies elsewhere.
 * Resolves when they survive a loss of power.
 */
export async function exportMemory(store: MemoryStore, headerId: string, directory: string): Promise<void> {
  const lease = await store.lease(headerId);
  try {
    const layers = lease.header.layers.map((layer) => store.layerPath(layer.id));
    for (const path of [...layers, store.headerPath(headerId)]) await placeFile(path, join(directory, basename(path)));
    await store.files.syncDirectory(directory);
  } finally {
    lease.end();
  }
}

/**
 * Publishes a memory whose files are in a directory where `exportMemory` put them. Layers that the store has are not
 * taken again, and a header that it has makes this do nothing. When it fails, no part of the memory shows.
 */
export async function importMemory(store: MemoryStore, headerId: string, directory: string): Promise<void> {
  if (await store.has(headerId)) return;
  const header = await readExported(headerId, join(directory, basename(store.headerPath(headerId))));
  const unpin = header.layers.map((layer) => store.pinLayer(layer.id));
  try {
    for (const layer of header.layers) {
      const target = store.layerPath(layer.id);
      const source = join(directory, basename(target));
      await checkLayerSize(store.files, source, layer);
      if (!(await exists(store.files, target))) await placeFile(source, target);
      await checkLayerSize(store.files, target, layer);
    }
    await store.files.syncDirectory(store.layerDirectory);
    await store.publish(header, null);
  } catch (error) {
    throw explainFullDisk(error, "the memory could not be taken over");
  } finally {
    for (const end of unpin) end();
  }
}

async function readExported(headerId: string, path: string): Promise<MemoryHeader> {
  const header = parseHeader(await readFile(path));
  if (header.id === headerId) return header;
  throw new DamagedSnapshotError("foreign", `the file of memory ${headerId} holds that of ${header.id}`);
}

/** Gives a finished file a place in another directory; it appears there whole or not at all. */
async function placeFile(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return;
    if (code !== "EXDEV" && code !== "EPERM" && code !== "EMLINK") throw error;
    await copyDurably(source, target);
  }
}

/** Copies what is no hole. */
async function copyDurably(source: string, target: string): Promise<void> {
  const temporary = target + TEMPORARY;
  const from = await hostFiles.open(source);
  try {
    const to = await hostFiles.create(temporary, { direct: false });
    try {
      const size = await from.size();
      await to.truncate(size);
      const buffer = Buffer.alloc(Math.min(size, COPY_LENGTH));
      for (let data = await from.nextData(0); data !== undefined; data = await from.nextData(data.end)) {
        for (let start = data.start; start < data.end; start += buffer.length) {
          const part = buffer.subarray(0, Math.min(buffer.length, data.end - start));
          await from.read(part, start);
          await to.write(part, start);
        }
      }
      await to.sync();
    } finally {
      await to.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await from.close();
  }
}
