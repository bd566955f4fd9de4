import { type FileSystem, removeIfThere, type StoredFile, TEMPORARY } from "./files.ts";
import type { LayerLayout } from "./layer-writer.ts";

/** A layer that is being written and that no header names yet. */
export interface PendingLayer {
  readonly id: string;
  readonly file: StoredFile;
  /** Gives it its final name. */
  place(): Promise<void>;
  /** Removes it, unless it has its final name, and lets go of it. Does nothing when called again. */
  discard(): Promise<void>;
}

/** Begins a layer whose file will be at `path`. `release` is called when it has been let go of. */
export async function createPendingLayer(
  files: FileSystem,
  id: string,
  path: string,
  layout: LayerLayout,
  release: () => void,
): Promise<PendingLayer> {
  const temporary = path + TEMPORARY;
  // An image is about to be mapped and is better left in the page cache; packed layers need not pass through it.
  const file = await files.create(temporary, { direct: layout === "packed" }).catch((error: unknown) => {
    release();
    throw error;
  });
  let placed = false;
  let ended = false;
  return {
    id,
    file,
    async place() {
      await files.rename(temporary, path);
      placed = true;
    },
    async discard() {
      if (ended) return;
      ended = true;
      try {
        await file.close();
        if (!placed) await removeIfThere(files, temporary);
      } finally {
        release();
      }
    },
  };
}
