/** Bytes of one message of QMP. Those that the driver asks for have a few hundred; the rest is a bound, not a need. */
export const MAX_QMP_LINE = 256 * 1024;

/** Cuts a byte stream into lines of JSON objects. Holds at most one unfinished line of bounded length. */
export class QmpLineParser {
  #parts: Buffer[] = [];
  #length = 0;

  /** Objects that `chunk` completes. Throws when a line is too long or is not a JSON object. */
  push(chunk: Buffer): Record<string, unknown>[] {
    const messages: Record<string, unknown>[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#parts).toString("utf8").trim();
      this.#parts = [];
      this.#length = 0;
      start = end + 1;
      if (line !== "") messages.push(parseObject(line));
    }
    // Copied, so that a short rest does not keep the whole chunk in memory.
    if (start < chunk.length) this.#keep(Buffer.from(chunk.subarray(start)));
    return messages;
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > MAX_QMP_LINE) throw new Error(`a message is longer than ${MAX_QMP_LINE} bytes`);
    this.#parts.push(part);
  }
}

function parseObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`a message is not an object: ${line.slice(0, 80)}`);
}
