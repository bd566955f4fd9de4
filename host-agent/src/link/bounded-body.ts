import type { Readable } from "node:stream";

/** Bytes of an answer of the control plane that are read at most. */
const MOST_BYTES = 256 * 1024;

/** The body of an answer; fails once it has more than one of a control plane has. */
export async function* boundedBody(body: Readable): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES} bytes`);
    yield chunk;
  }
}
