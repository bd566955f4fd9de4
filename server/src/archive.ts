/** Bytes of a block (POSIX.1-2017, pax, "ustar Interchange Format"). */
const BLOCK = 512;
/** Bytes of the extended header of one entry: paths and attributes. */
const MAX_EXTENDED = 1024 * 1024;
/** Bytes after the end of an archive, which tar fills up to a whole record. */
const MAX_PADDING = 1024 * 1024;

/** Type flags of entries. */
const TYPES: Record<string, ArchiveEntry["type"]> = { "": "file", "0": "file", "2": "symlink", "5": "directory" };
const EXTENDED = "x";
const EXTENDED_FOR_ALL = "g";

/** An archive that is none. The message names what was found in place of one. */
export class ArchiveError extends Error {}

/** One member of an archive. */
export interface ArchiveEntry {
  /** As the archive has it. */
  path: string;
  type: "file" | "directory" | "symlink" | "other";
  mode: number;
  /** Seconds since 1970. */
  modifiedAt: number;
  /** What a link holds. */
  target: string;
  /** To be read before the next entry is asked for; what is not is skipped. */
  content: AsyncIterable<Buffer>;
}

/**
 * Reads a tar archive in the pax format, as its bytes come. Whoever made it may be an enemy: all that is held is bounded, and
 * what is not well-formed throws an ArchiveError. Names are not checked.
 */
export async function* readArchive(bytes: AsyncIterable<Buffer>): AsyncGenerator<ArchiveEntry> {
  const source = new Source(bytes);
  let extended = new Map<string, string>();
  for (;;) {
    const header = await source.take(BLOCK);
    if (header.every((byte) => byte === 0)) return source.end();
    checkSum(header);
    const type = text(header, 156, 1);
    const size = integer(extended.get("size") ?? text(header, 124, 12).trim(), 10 - (extended.has("size") ? 0 : 2));
    if (type === EXTENDED || type === EXTENDED_FOR_ALL) {
      if (size > MAX_EXTENDED) throw new ArchiveError(`an extended header of ${size} bytes`);
      const records = parseRecords(await source.take(size));
      await source.skip(padding(size));
      // What holds for all entries is a comment at most: this side asks for nothing else.
      if (type === EXTENDED) extended = records;
      continue;
    }
    const kind = TYPES[type] ?? "other";
    const length = kind === "file" ? size : 0;
    const content = source.part(length);
    yield {
      path: extended.get("path") ?? pathOf(header),
      type: kind,
      mode: integer(text(header, 100, 8).trim(), 8) & 0o7777,
      modifiedAt: time(extended.get("mtime")) ?? integer(text(header, 136, 12).trim(), 8),
      target: extended.get("linkpath") ?? text(header, 157, 100),
      content,
    };
    for await (const _ of content);
    await source.skip(padding(length));
    extended = new Map();
  }
}

/** A file as a member of an archive (ustar), for its owner alone. Its path has 100 bytes at most. */
export function archiveMember(path: string, content: Uint8Array, modifiedAt: Date): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${Math.trunc(value).toString(8).padStart(digits, "0")}\0`;
  header.write(path, 0, 100);
  header.write(octal(0o600, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(modifiedAt.getTime() / 1000, 11), 136);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  header.write(`${octal(sumOf(header), 6)} `, 148);
  return Buffer.concat([header, content, Buffer.alloc(padding(content.length))]);
}

/** What ends an archive. */
export const ARCHIVE_END = Buffer.alloc(2 * BLOCK);

/** The bytes of an archive, to be taken in order. */
class Source {
  readonly #bytes: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#bytes = bytes[Symbol.asyncIterator]();
  }

  /** So many bytes, in one piece. */
  async take(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.part(size)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async skip(size: number): Promise<void> {
    for await (const _ of this.part(size));
  }

  /** So many bytes as they come, which can be gone through once. */
  async *part(size: number): AsyncGenerator<Buffer> {
    let rest = size;
    while (rest > 0) {
      if (this.#held.length === 0 && !(await this.#more())) throw new ArchiveError("an archive that breaks off");
      const piece = this.#held.subarray(0, rest);
      this.#held = this.#held.subarray(piece.length);
      rest -= piece.length;
      yield piece;
    }
  }

  /** Reads what follows the last entry. */
  async end(): Promise<void> {
    let padding = this.#held.length;
    while (padding <= MAX_PADDING) {
      if (!(await this.#more())) return;
      padding += this.#held.length;
    }
    throw new ArchiveError("an archive that goes on after its end");
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#bytes.next();
    if (!done) this.#held = value;
    return !done;
  }
}

function pathOf(header: Buffer): string {
  const [name, prefix] = [text(header, 0, 100), text(header, 345, 155)];
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** A text field, which ends with its first NUL. */
function text(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

function integer(digits: string, radix: number): number {
  const value = (radix === 8 ? /^[0-7]{1,12}$/ : /^\d{1,15}$/).test(digits)
    ? Number.parseInt(digits, radix)
    : Number.NaN;
  if (Number.isNaN(value)) throw new ArchiveError(`the number ${JSON.stringify(digits.slice(0, 20))}`);
  return value;
}

function time(seconds: string | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  if (!/^-?\d{1,12}(\.\d{0,20})?$/.test(seconds)) throw new ArchiveError("a time that is none");
  return Number(seconds);
}

/** Records `LENGTH KEY=VALUE\n` of an extended header. */
function parseRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(" ", at);
    const length = space < 0 ? 0 : integer(bytes.toString("latin1", at, Math.min(space, at + 20)), 10);
    const end = at + length;
    const equals = bytes.indexOf("=", space);
    if (length === 0 || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a)
      throw new ArchiveError("an extended header that is none");
    records.set(bytes.toString("utf8", space + 1, equals), bytes.toString("utf8", equals + 1, end - 1));
    at = end;
  }
  return records;
}

function checkSum(header: Buffer): void {
  const claimed = integer(text(header, 148, 8).trim(), 8);
  if (sumOf(header) !== claimed) throw new ArchiveError("a header with a wrong sum");
}

/** Sum of the bytes of a header, in which the sum itself counts as spaces. */
function sumOf(header: Buffer): number {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
