import { resolve } from "node:path";
import type { BootImages } from "./images.ts";
import { removeImageFolders } from "./store.ts";

export interface PruneImagesOptions {
  /** Image directory. */
  directory: string;
  /** What `ensureImages` returned. */
  current: BootImages;
  /** Paths of files or folders below the image directory that sandboxes, snapshots or templates need. */
  inUse: ReadonlySet<string>;
}

/**
 * Removes the image folders that are neither current nor in use, and returns their paths. Removes nothing while another
 * process builds images in this directory.
 */
export async function pruneImages({ directory, current, inUse }: PruneImagesOptions): Promise<string[]> {
  const { vmlinuz, initramfs, base, node } = current;
  const keep = [vmlinuz, initramfs, base.path, ...(node ? [node.path] : []), ...inUse].map((path) => resolve(path));
  return removeImageFolders(resolve(directory), keep);
}
