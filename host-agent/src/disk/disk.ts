/** Makes and removes the disks of sandboxes. A disk is an immutable base and a delta that holds what was written since. */
export interface DiskStore {
  /**
   * Makes an empty delta at `path`, where nothing may be yet, over a base image or over other deltas of it, which are
   * immutable from then on.
   */
  create(path: string, base: BaseImage): Promise<void>;
  /** Forces a delta and its name to stable storage. Before that, a delta may be lost with the host's power. */
  sync(path: string): Promise<void>;
  /** Bytes that a delta takes on the host: allocated blocks × 512. */
  allocatedBytes(path: string): Promise<number>;
}

/** An immutable root file system. */
export interface BaseImage {
  path: string;
  format: "raw" | "qcow2";
  /** Bytes that the guest sees; the delta may be larger than the base, never smaller. */
  virtualSize: number;
}
