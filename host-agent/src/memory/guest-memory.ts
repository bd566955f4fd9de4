/** The file that guest memory is mapped from, copy-on-write. Its size is that of guest memory. */
export interface MemoryFile {
  /** Its path; of sealed memory, which has none, the name that /proc/PID/maps shows: `/memfd:NAME`. */
  path: string;
  /** No other microVM is given the file, and nobody relies on what it holds once this one has it. */
  own: boolean;
  /** Descriptor of sealed memory in this process, needed to start a microVM on it. */
  sealed?: number;
}

/** Where guest memory lies in the VMM process. */
export interface MemoryMapping {
  pid: number;
  /** Virtual address of guest memory, in bytes. */
  address: bigint;
  /** Bytes. */
  length: number;
}
