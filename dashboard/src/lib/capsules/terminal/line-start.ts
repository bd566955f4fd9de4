/** Bytes in which the end of a line is looked for. */
const LOOKED_AT = 4096;
const LINE_END = 0x0a;

/** Output whose beginning was cut off anywhere, from the next line on: what is before may be the rest of a character or colour. */
export function fromLineStart(bytes: Uint8Array): Uint8Array {
  const end = bytes.subarray(0, LOOKED_AT).indexOf(LINE_END);
  return bytes.subarray(end + 1);
}
