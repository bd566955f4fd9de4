import { pipeline, type Readable, Transform } from "node:stream";

/** Is told, again and again, how many bytes have been passed on since the beginning. */
export type OnProgress = (bytes: number) => void;

/** Passes chunks on and tells of them. */
export async function* following(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onProgress: OnProgress | undefined,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    onProgress?.(bytes);
  }
}

/** A stream with the same content, which tells of it; it fails and is given up together with the other. */
export function followed(content: Readable, onProgress: OnProgress | undefined): Readable {
  if (!onProgress) return content;
  let bytes = 0;
  const told = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onProgress(bytes);
      done(null, chunk);
    },
  });
  // Whoever reads it hears of errors.
  return pipeline(content, told, () => undefined);
}
