import { needProgram } from "../../linux/programs.ts";
import type { DiskImage, DiskLayer } from "../disk.ts";
import { readQcow2Header } from "./header.ts";

/** Milliseconds for as much as a disk can hold, on a slow host. */
const CONVERT_LIMIT_MS = 30 * 60_000;
/** As the layers that VMMs write are. */
const FORMAT = "cluster_size=128k,extended_l2=on";

/** Makes a layer at `path` over `kept`, the end of `image`, that holds what the layers of `image` above it hold together. */
export async function mergeLayers(image: DiskImage, kept: DiskImage, path: string): Promise<void> {
  // A guest that took over its VMM may have made its layer name another file of the host, which would be read as root.
  for (const { path: layer, format } of image.layers) if (format === "qcow2") await readQcow2Header(layer);
  const backing = ["-B", nodeOf(kept.layers), "-F", "qcow2"];
  const convert = ["convert", "-O", "qcow2", "-o", FORMAT, ...backing, nodeOf(image.layers), path];
  await needProgram("Merging layers of a disk", "qemu-img", convert, { limitMs: CONVERT_LIMIT_MS });
  // Layers name nothing below them: who opens a chain says what it is made of.
  await needProgram("Merging layers of a disk", "qemu-img", ["rebase", "-u", "-f", "qcow2", "-b", "", path]);
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
