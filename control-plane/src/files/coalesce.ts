/** Bytes at which a piece is passed on. */
const ENOUGH = 512 * 1024;

/** Joins small chunks into larger ones, because each message to a host has a price of its own. */
export async function* coalesce(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    size += chunk.length;
    if (size < ENOUGH) continue;
    yield held.length === 1 ? chunk : Buffer.concat(held, size);
    held = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(held, size);
}
