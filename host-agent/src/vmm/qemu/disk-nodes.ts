import type { DiskFormat } from "../../disk/disk.ts";

/** One layer of a disk in QEMU's block graph. */
export interface DiskNode {
  format: DiskFormat;
  /** Name of the node of the layer; that of the file below it is derived from it. */
  name: string;
  /** Set of descriptors that holds the file. */
  fdset: number;
  writable: boolean;
  /** Node of the layer below; null = none. */
  backing: string | null;
}

/**
 * A layer as a node over its file, for `-blockdev` and `blockdev-add`. QEMU opens files by name again after an incoming
 * state, which only works inside the chroot by /dev/fdset. Backing files are named here, so that names in qcow2 headers
 * are never followed.
 *
 * Write-back through the page cache: clones share the clean pages of their base, and the guest's flushes reach the
 * device as fdatasync. Discarded and zeroed ranges are given back to the host's file system.
 */
export function diskNodes({ format, name, fdset, writable, backing }: DiskNode) {
  const file = {
    driver: "file",
    "node-name": `${name}-file`,
    filename: `/dev/fdset/${fdset}`,
    aio: "threads",
    cache: { direct: false, "no-flush": false },
    "read-only": !writable,
    "auto-read-only": false,
    discard: writable ? "unmap" : "ignore",
  };
  const layer = {
    driver: format,
    "node-name": name,
    file: file["node-name"],
    "read-only": !writable,
    ...(format === "qcow2" && { backing }),
    ...(writable && { discard: "unmap", "detect-zeroes": "unmap" }),
  };
  return { file, layer };
}
