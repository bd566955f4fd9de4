/** Marks of an axis above its beginning, at most. */
const MARKS = 5;

/**
 * Distance of the marks of an axis of bytes that goes up to `most`: a power of two, so that they are round in units of 1,024
 * each, such as 512 KiB, 1 MiB and 1.5 MiB.
 */
export function byteStep(most: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(most / MARKS)));
}
