/** Bytes of a block of memory or disk. */
export const BLOCK = 4096;

/** Memory or disk of a guest as its kernel sees it. What is done is done at once: a guest that is stopped is never half way. */
export interface BlockDevice {
  readonly blocks: number;
  read(index: number): Buffer;
  /** `data` is a whole block. */
  write(index: number, data: Buffer): void;
}
