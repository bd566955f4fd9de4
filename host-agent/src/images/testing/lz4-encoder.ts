const MAGIC = Buffer.from([0x02, 0x21, 0x4c, 0x18]);
const SHORTEST_MATCH = 4;
/** The format keeps the last bytes of a block free of matches. */
const FINAL_LITERALS = 12;

/** An LZ4 legacy frame with the given blocks, compressed simply. */
export function lz4LegacyFrame(blocks: readonly Uint8Array[]): Buffer {
  const encoded = blocks.flatMap((block) => {
    const data = encodeBlock(Buffer.from(block));
    const size = Buffer.alloc(4);
    size.writeUInt32LE(data.length);
    return [size, data];
  });
  return Buffer.concat([MAGIC, ...encoded]);
}

/** Takes the newest earlier occurrence of the next four bytes as a match, as far as it goes. */
function encodeBlock(data: Buffer): Buffer {
  const parts: Buffer[] = [];
  const seen = new Map<number, number>();
  let anchor = 0;
  for (let at = 0; at + FINAL_LITERALS < data.length; ) {
    const word = data.readUInt32LE(at);
    const earlier = seen.get(word);
    seen.set(word, at);
    if (earlier === undefined || at - earlier > 0xffff) {
      at++;
      continue;
    }
    let length = SHORTEST_MATCH;
    while (at + length + FINAL_LITERALS < data.length && data[earlier + length] === data[at + length]) length++;
    parts.push(sequence(data.subarray(anchor, at), { distance: at - earlier, length }));
    at += length;
    anchor = at;
  }
  parts.push(sequence(data.subarray(anchor)));
  return Buffer.concat(parts);
}

function sequence(literals: Buffer, match?: { distance: number; length: number }): Buffer {
  const extra = match ? match.length - SHORTEST_MATCH : 0;
  const token = (Math.min(15, literals.length) << 4) | Math.min(15, extra);
  const end = match ? [match.distance & 0xff, match.distance >> 8, ...lengthBytes(extra)] : [];
  return Buffer.concat([Buffer.from([token, ...lengthBytes(literals.length)]), literals, Buffer.from(end)]);
}

function lengthBytes(length: number): number[] {
  if (length < 15) return [];
  const rest = length - 15;
  return [...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255];
}
