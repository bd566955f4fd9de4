import { createHash } from "node:crypto";

const TAB = 0x09;
const NEWLINE = 0x0a;

/** Counts what goes through of a table in COPY's text format, in which tabs and newlines of values are escaped. */
export class TableTally {
  readonly #hash = createHash("sha256");
  readonly #columns: number;
  readonly #maxRowBytes: number;
  #rows = 0;
  #bytes = 0;
  #rowStart = 0;
  #tabs = 0;

  constructor(columns: number, maxRowBytes: number) {
    this.#columns = columns;
    this.#maxRowBytes = maxRowBytes;
  }

  /** Adds bytes; says what is wrong with their rows. */
  add(piece: Buffer): string | undefined {
    this.#hash.update(piece);
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at];
      if (byte === TAB) this.#tabs += 1;
      else if (byte === NEWLINE) {
        if (this.#tabs !== this.#columns - 1) {
          return `row ${this.#rows + 1} has ${this.#tabs + 1} columns in place of ${this.#columns}`;
        }
        this.#rows += 1;
        this.#tabs = 0;
        this.#rowStart = this.#bytes + at + 1;
      }
    }
    this.#bytes += piece.length;
    if (this.#bytes - this.#rowStart > this.#maxRowBytes) return `row ${this.#rows + 1} is too long`;
    return undefined;
  }

  /** What it came to; undefined when the last row breaks off. */
  end(): { rows: number; bytes: number; sha256: string } | undefined {
    if (this.#bytes !== this.#rowStart) return undefined;
    return { rows: this.#rows, bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}
