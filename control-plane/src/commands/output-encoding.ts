import { isUtf8 } from "node:buffer";

/** A piece of output as JSON holds it. */
export interface EncodedChunk {
  data: string;
  encoding?: "base64";
}

/** Most bytes of a character of UTF-8. */
const LONGEST = 4;

/**
 * Writes a stream of bytes as text where it is valid UTF-8 and as base64 where it is not. A character that is split
 * across chunks is held back until its end arrives, so text stays text however it is cut.
 */
export class Utf8Chunks {
  #held: Buffer = Buffer.alloc(0);

  /** Takes a chunk; undefined when all of it is held back. */
  push(chunk: Uint8Array): EncodedChunk | undefined {
    const bytes = this.#held.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#held, chunk]);
    const held = incompleteTail(bytes);
    const complete = bytes.subarray(0, bytes.length - held);
    if (isUtf8(complete)) {
      // A copy, because the chunk may be a view of a large buffer.
      this.#held = Buffer.from(bytes.subarray(bytes.length - held));
      return complete.length === 0 ? undefined : { data: complete.toString("utf8") };
    }
    this.#held = Buffer.alloc(0);
    return { data: bytes.toString("base64"), encoding: "base64" };
  }

  /** Gives what is held back at the end of the stream. */
  end(): EncodedChunk | undefined {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest.length === 0 ? undefined : { data: rest.toString("base64"), encoding: "base64" };
  }
}

/** Writes the whole output of a command: as text when both streams are valid UTF-8, else both in base64. */
export function encodeOutput(output: { stdout: CutBytes; stderr: CutBytes }): {
  stdout: string;
  stderr: string;
  encoding: "utf-8" | "base64";
} {
  const stdout = withoutCutCharacter(output.stdout);
  const stderr = withoutCutCharacter(output.stderr);
  const encoding = isUtf8(stdout) && isUtf8(stderr) ? "utf-8" : "base64";
  return encoding === "utf-8"
    ? { stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8"), encoding }
    : {
        stdout: asBuffer(output.stdout.bytes).toString("base64"),
        stderr: asBuffer(output.stderr.bytes).toString("base64"),
        encoding,
      };
}

/** Bytes that may have been cut at a limit, perhaps inside a character. */
export interface CutBytes {
  bytes: Uint8Array;
  truncated: boolean;
}

function withoutCutCharacter({ bytes, truncated }: CutBytes): Buffer {
  const buffer = asBuffer(bytes);
  return truncated ? buffer.subarray(0, buffer.length - incompleteTail(buffer)) : buffer;
}

/** Number of bytes at the end that begin a character without completing it (RFC 3629, section 3). */
function incompleteTail(bytes: Uint8Array): number {
  for (let length = 1; length < LONGEST && length <= bytes.length; length++) {
    const byte = bytes[bytes.length - length]!;
    if (byte >= 0x80 && byte < 0xc0) continue;
    const needed = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return byte < 0xf8 && needed > length ? length : 0;
  }
  return 0;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
