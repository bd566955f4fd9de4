import { constants, open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { copyFileRange, punchHole } from "../../linux/file-ranges.ts";
import { append, blankMapping, difference, type MappingEntry } from "../store/mapping.ts";

/** Short copies happen on the main thread; other work gets its turn after this many. */
const COPIES_IN_A_ROW = 64;

/**
 * Writes the pages of a mapping that are not zero into a new sparse file, so that it holds the memory as it is. The
 * kernel shares extents with the layers where the file system can, and copies elsewhere.
 */
export async function composeImage(
  path: string,
  mapping: readonly MappingEntry[],
  memorySize: number,
  layerPath: (id: string) => string,
): Promise<void> {
  const image = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await image.truncate(memorySize);
    await composeInto(image.fd, mapping, memorySize, layerPath);
  } finally {
    await image.close();
  }
}

/** Writes the pages of a mapping that are not zero into a file of holes. */
export async function composeInto(
  image: number,
  mapping: readonly MappingEntry[],
  memorySize: number,
  layerPath: (id: string) => string,
): Promise<void> {
  await copyPages(image, difference(blankMapping(memorySize), mapping), layerPath);
}

/** Turns a file that holds the memory `from` into one that holds `to`, touching only the pages that lie elsewhere. */
export async function updateImage(
  path: string,
  from: readonly MappingEntry[],
  to: readonly MappingEntry[],
  layerPath: (id: string) => string,
): Promise<void> {
  const image = await open(path, constants.O_RDWR);
  try {
    const changes = difference(from, to);
    for (const { offset, length, layer } of changes) if (layer === null) punchHole(image.fd, offset, length);
    await copyPages(image.fd, changes, layerPath);
  } finally {
    await image.close();
  }
}

async function copyPages(
  image: number,
  entries: readonly MappingEntry[],
  layerPath: (id: string) => string,
): Promise<void> {
  for (const [layer, pages] of byLayer(entries)) {
    const source = await open(layerPath(layer), constants.O_RDONLY);
    try {
      for (const [index, { storageOffset, offset, length }] of pages.entries()) {
        await copyFileRange(source.fd, storageOffset, image, offset, length);
        if (index % COPIES_IN_A_ROW === COPIES_IN_A_ROW - 1) await setImmediate();
      }
    } finally {
      await source.close();
    }
  }
}

function byLayer(entries: readonly MappingEntry[]): Map<string, MappingEntry[]> {
  const groups = new Map<string, MappingEntry[]>();
  for (const entry of entries) {
    if (entry.layer === null) continue;
    const group = groups.get(entry.layer);
    if (group === undefined) groups.set(entry.layer, [{ ...entry }]);
    else append(group, entry);
  }
  return groups;
}
