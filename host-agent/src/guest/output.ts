import { create } from "@bufbuild/protobuf";
import { type StartResponse, StartResponseSchema } from "@warren/contracts/gen/process/process_pb";

/** A piece of output of a command. */
export interface Output {
  stream: "stdout" | "stderr" | "pty";
  data: Buffer;
}

/** What the guest agent puts around each piece of output (guest-agent/internal/process/messages.go). */
const BEFORE = (["stdout", "stderr", "pty"] as const).map((stream) => ({
  stream,
  bytes: Buffer.from(`{"event":{"data":{"${stream}":"`),
}));
const AFTER = Buffer.from('"}}}');

/** Bytes and pieces of output that are put together. A piece costs a microsecond or two of the time of all others. */
const MOST_BYTES = 64 * 1024;
const MOST_PIECES = 256;

/** The output that is in a message, taken from it without parsing it as JSON; undefined when the message is of another form or empty. */
export function parseOutput(payload: Buffer): Output | undefined {
  const end = payload.length - AFTER.length;
  for (const { stream, bytes } of BEFORE) {
    if (end < bytes.length || bytes.compare(payload, 0, bytes.length) !== 0) continue;
    if (AFTER.compare(payload, end) !== 0) return undefined;
    const data = Buffer.from(payload.toString("latin1", bytes.length, end), "base64");
    return data.length > 0 ? { stream, data } : undefined;
  }
  return undefined;
}

/** The event that a piece of output is. */
export function outputEvent({ stream, data }: Output): StartResponse {
  return create(StartResponseSchema, {
    event: { event: { case: "data", value: { output: { case: stream, value: data } } } },
  });
}

/**
 * Pieces of output that have come together and are passed on as one. Each message goes through three programs: a guest that
 * sends its output byte by byte would have them all work for very little.
 */
export class GatheredOutput {
  #stream: Output["stream"] | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Takes a piece that follows upon those before; false = they are to be taken first. */
  add({ stream, data }: Output): boolean {
    if (this.#pieces.length > 0) {
      const full = this.#pieces.length === MOST_PIECES || this.#bytes + data.length > MOST_BYTES;
      if (full || stream !== this.#stream) return false;
    }
    this.#stream = stream;
    this.#pieces.push(data);
    this.#bytes += data.length;
    return true;
  }

  /** All of them as one; undefined when there are none. */
  take(): Output | undefined {
    const [first, ...others] = this.#pieces;
    if (!first || !this.#stream) return undefined;
    const data = others.length === 0 ? first : Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    return { stream: this.#stream, data };
  }
}
