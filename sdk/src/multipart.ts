import { randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";

/** Bytes to send: at once, or as they come. */
export type Content = Uint8Array | string | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A `multipart/form-data` body (RFC 7578) with the text fields first and one file last, never held in memory as a whole. */
export interface MultipartBody {
  contentType: string;
  /** Bytes of the whole body, when the file's size is known. */
  length: number | undefined;
  stream(): AsyncGenerator<Uint8Array>;
}

/**
 * Builds the upload body of the file routes. `size` is the number of bytes that a streamed `content` will have, when it
 * is known: the body then has a Content-Length. The name of the file is a field, as the other ones: in the head of its part
 * not every name can be told apart.
 */
export function multipartBody(fields: Record<string, string>, content: Content, size?: number): MultipartBody {
  const boundary = `warren-${randomUUID()}`;
  const head = Buffer.from(
    Object.entries(fields)
      .map(([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
      .join("") +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"${fields.name === undefined ? "" : '; filename="file"'}\r\n` +
      "Content-Type: application/octet-stream\r\n\r\n",
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const chunks = chunksOf(content);
  const contentLength = lengthOf(content) ?? size;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: contentLength === undefined ? undefined : head.length + contentLength + tail.length,
    async *stream() {
      yield head;
      yield* contentLength === undefined ? chunks : exactly(chunks, contentLength);
      yield tail;
    },
  };
}

/** The pieces of what is to be sent. */
export function chunksOf(content: Content): Exclude<Content, Uint8Array | string> {
  if (typeof content === "string") return [Buffer.from(content)];
  return content instanceof Uint8Array ? [content] : content;
}

/** Bytes of what is there as a whole. */
export function lengthOf(content: Content): number | undefined {
  return typeof content === "string" || content instanceof Uint8Array ? Buffer.byteLength(content) : undefined;
}

/** Passes chunks on and throws when their total is not the promised one, such as a file that grew while it was read. */
async function* exactly(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, length: number) {
  let rest = length;
  for await (const chunk of chunks) {
    rest -= chunk.length;
    if (rest < 0) break;
    yield chunk;
  }
  if (rest !== 0) {
    throw new WarrenError(
      "invalid_request",
      `The content to upload is not ${length} bytes long: it changed meanwhile.`,
    );
  }
}
