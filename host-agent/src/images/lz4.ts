/** First bytes of a legacy frame (LZ4 Frame Format, section "Legacy frame"), little-endian. */
export const LZ4_LEGACY_MAGIC = 0x184c2102;

/** Bytes that every block but the last one decompresses to. */
const BLOCK_BYTES = 8 * 1024 * 1024;

/** Decompresses an LZ4 legacy frame, the format in which Linux kernels are compressed. */
export function decodeLz4Legacy(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const uint32 = (offset: number): number => {
    if (offset + 4 > frame.length) throw new RangeError(`LZ4 frame cut short at byte ${frame.length}`);
    return view.getUint32(offset, true);
  };
  if (uint32(0) !== LZ4_LEGACY_MAGIC) throw new RangeError("not an LZ4 legacy frame");
  const blocks: Uint8Array[] = [];
  const scratch = new Uint8Array(BLOCK_BYTES);
  for (let offset = 4; offset < frame.length; ) {
    const size = uint32(offset);
    offset += 4;
    if (size === LZ4_LEGACY_MAGIC) continue; // Another frame follows the first.
    if (size > frame.length - offset) throw new RangeError(`LZ4 block of ${size} bytes at ${offset} is cut short`);
    const length = decodeLz4Block(frame.subarray(offset, offset + size), scratch);
    blocks.push(scratch.slice(0, length));
    offset += size;
  }
  return Buffer.concat(blocks);
}

/** Decompresses one block (LZ4 Block Format) into `target` and returns its length. */
function decodeLz4Block(source: Uint8Array, target: Uint8Array): number {
  let read = 0;
  let written = 0;
  const byte = (): number => {
    const value = source[read++];
    if (value === undefined) throw new RangeError("LZ4 block cut short");
    return value;
  };
  /** A length of 15 goes on in bytes that are added up until one is below 255. */
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = byte();
        total += more;
      } while (more === 255);
    }
    return total;
  };
  while (read < source.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (literals > source.length - read || literals > target.length - written) {
      throw new RangeError("LZ4 literals beyond the end of the block");
    }
    target.set(source.subarray(read, read + literals), written);
    read += literals;
    written += literals;
    if (read === source.length) return written; // The last sequence has literals only.
    const distance = byte() | (byte() << 8);
    const match = length(token & 15) + 4;
    if (distance === 0 || distance > written) throw new RangeError("LZ4 match before the start of the block");
    if (match > target.length - written) throw new RangeError("LZ4 match beyond the end of the block");
    copyMatch(target, written, distance, match);
    written += match;
  }
  throw new RangeError("LZ4 block without final literals");
}

/** Repeats bytes from `distance` before `at`. A match longer than its distance repeats its own output. */
function copyMatch(target: Uint8Array, at: number, distance: number, length: number): void {
  for (let done = 0; done < length; ) {
    const chunk = Math.min(distance + done, length - done);
    target.copyWithin(at + done, at - distance, at - distance + chunk);
    done += chunk;
  }
}
