import { BoundedBytes } from "./bounded-bytes.ts";
import { refused } from "./errors.ts";

/** Bytes of flags and length before each message of a Connect stream. */
const HEADER = 5;
/** Flags of an envelope (Connect protocol, "Enveloped-Message"). */
const COMPRESSED = 0x01;
const END_STREAM = 0x02;
/**
 * Bytes of one message. The guest agent sends output in pieces of 64 KiB, which base64 makes a third longer; a guest can
 * have one unfinished message held for each call.
 */
export const MAX_MESSAGE = 512 * 1024;

/** One message of a stream; the last one ends it. */
export interface Envelope {
  end: boolean;
  /** May be a part of what was given, and is valid until the next message is asked for. */
  payload: Buffer;
}

/**
 * Cuts the body of a Connect stream into its messages. Holds one unfinished message, in memory that grows with the bytes
 * that came and not with the length that was announced, and looks at each byte once, however small the pieces are.
 */
export class EnvelopeParser {
  readonly #header = Buffer.alloc(HEADER);
  #headerLength = 0;
  /** Memory for one message after the other: what is outside of the heap drives the collector. */
  readonly #payload = new BoundedBytes(0);
  #ended = false;

  /** Whether the stream has come to its last message. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Messages that `chunk` completes, as they are asked for; all are to be taken. Throws at what no guest agent sends. */
  *push(chunk: Uint8Array): Generator<Envelope> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#ended) throw refused("it goes on after its end");
      if (this.#headerLength < HEADER) {
        at += this.#takeHeader(chunk.subarray(at));
        if (this.#headerLength < HEADER) return;
      }
      const length = this.#length;
      if (this.#payload.length === 0 && chunk.length - at >= length) {
        const payload = Buffer.from(chunk.buffer, chunk.byteOffset + at, length);
        at += length;
        yield this.#take(payload);
        continue;
      }
      at += this.#payload.add(chunk.subarray(at));
      if (this.#payload.length < length) return;
      yield this.#take(this.#payload.whole());
    }
  }

  get #length(): number {
    return this.#header.readUInt32BE(1);
  }

  #takeHeader(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, HEADER - this.#headerLength);
    this.#header.set(taken, this.#headerLength);
    this.#headerLength += taken.length;
    if (this.#headerLength < HEADER) return taken.length;
    const flags = this.#header[0] ?? 0;
    if (flags & COMPRESSED) throw refused("a message is compressed");
    if (flags & ~END_STREAM) throw refused(`a message has unknown flags ${flags}`);
    if (this.#length > MAX_MESSAGE) throw refused(`a message of ${this.#length} bytes is announced`);
    this.#payload.restart(this.#length);
    return taken.length;
  }

  #take(payload: Buffer): Envelope {
    const envelope = { end: (this.#header[0]! & END_STREAM) !== 0, payload };
    this.#ended = envelope.end;
    this.#headerLength = 0;
    return envelope;
  }
}

/** The bytes of one message with its header. */
export function envelope(payload: string): Buffer {
  const bytes = Buffer.alloc(HEADER + Buffer.byteLength(payload));
  bytes.writeUInt32BE(bytes.length - HEADER, 1);
  bytes.write(payload, HEADER);
  return bytes;
}
