import { needProgram } from "../../linux/programs.ts";
import type { DiskImage, DiskLayer } from "../disk.ts";
import { readQcow2Header } from "./header.ts";

/** Milliseconds for as much as a disk can hold, on a slow host. */
const CONVERT_LIMIT_MS = 30 * 60_000;

/**
 * Writes into the empty layer at `path` over `kept`, the end of `image`, what the layers of `image` above it hold together.
 * One layer after the other, the lowest first: `qemu-img convert` takes from a disk what its top layer holds, and leaves out
 * what those between it and a backing file that is named do.
 */
export async function mergeLayers(image: DiskImage, kept: DiskImage, path: string): Promise<void> {
  // A guest that took over its VMM may have made its layer name another file of the host, which would be read as root.
  for (const { path: layer, format } of image.layers) if (format === "qcow2") await readQcow2Header(layer);
  const target = nodeOf([{ path, format: "qcow2" }, ...kept.layers]);
  const own = image.layers.length - kept.layers.length;
  for (let index = own - 1; index >= 0; index--) {
    const options = ["-n", "-O", "qcow2", "-B", nodeOf(kept.layers), "-F", kept.layers[0]?.format ?? "raw"];
    const convert = ["convert", ...options, nodeOf(image.layers.slice(index)), target];
    await needProgram("Merging layers of a disk", "qemu-img", convert, { limitMs: CONVERT_LIMIT_MS });
  }
}

/** A chain as QEMU's tools take it: the names inside the files are not followed. */
function nodeOf([top, ...below]: DiskLayer[]): string {
  const node = (layer: DiskLayer | undefined, rest: DiskLayer[]): unknown =>
    layer && {
      driver: layer.format,
      file: { driver: "file", filename: layer.path },
      ...(layer.format === "qcow2" ? { backing: node(rest[0], rest.slice(1)) ?? null } : {}),
    };
  return `json:${JSON.stringify(node(top, below))}`;
}
