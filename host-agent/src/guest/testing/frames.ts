/** One message of a Connect stream, with the flags and the length that it claims. */
export function frame(
  payload: Buffer | string,
  { flags = 0, length }: { flags?: number; length?: number } = {},
): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length ?? body.length, 1);
  return Buffer.concat([head, body]);
}

/** Head of an answer with a body that ends with the connection. */
export function head(type = "application/connect+json", status = "200 OK", more = ""): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\n${more}\r\n`;
}

export const START = frame('{"event":{"start":{"pid":7}}}');
