/** How the bytes of a disk lie in a file. */
export type DiskFormat = "raw" | "qcow2";

/** One layer of a disk: a file of the host. */
export interface DiskLayer {
  path: string;
  format: DiskFormat;
}

/** A disk as layers from the top down to the base; only the first is writable. */
export interface DiskImage {
  layers: DiskLayer[];
}

/** The disk of a microVM that stands still, in the hands of its VMM. */
export interface LiveDisk {
  /** Puts an empty layer, whose file has been made for the chain below it, above the top, which is never written again. */
  stack(layer: DiskLayer): Promise<void>;
}

/** Makes and removes the disks of sandboxes. A disk is an immutable base and a delta that holds what was written since. */
export interface DiskStore {
  readonly format: DiskFormat;
  /** End of the names of files of deltas. */
  readonly suffix: string;
  /**
   * Makes an empty delta at `path`, where nothing may be yet, over a base image or over other deltas of it, which are
   * immutable from then on.
   */
  create(path: string, base: BaseImage): Promise<void>;
  /**
   * Has a microVM that stands still go on with the empty delta at `path` above its disk. From then on what was the top is
   * never written.
   */
  stack(disk: LiveDisk, path: string): Promise<void>;
  /**
   * Gives the empty delta at `path` over `kept`, the end of `image`, what the deltas of `image` above it hold together.
   * Refuses those that a guest has made lead elsewhere.
   */
  merge(image: DiskImage, kept: DiskImage, path: string): Promise<void>;
  /** Forces a delta and its name to stable storage. Before that, a delta may be lost with the host's power. */
  sync(path: string): Promise<void>;
  /** Bytes that a delta takes on the host: allocated blocks × 512. */
  allocatedBytes(path: string): Promise<number>;
}

/** An immutable root file system. */
export interface BaseImage {
  path: string;
  format: DiskFormat;
  /** Bytes that the guest sees; the delta may be larger than the base, never smaller. */
  virtualSize: number;
}
