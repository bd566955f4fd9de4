/** Keeps the last lines of a text that comes in pieces, in bounded memory. */
export class LastLines {
  readonly #limit: number;
  readonly #lines: string[] = [];
  #rest = "";

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a piece and returns the lines that it completes. */
  add(piece: string): string[] {
    const lines = (this.#rest + piece).split("\n");
    // A line without an end is cut, so that it cannot grow for ever.
    this.#rest = lines.pop()!.slice(-LONGEST_LINE);
    const complete = lines.map((line) => line.slice(0, LONGEST_LINE));
    this.#lines.push(...complete);
    this.#lines.splice(0, this.#lines.length - this.#limit);
    return complete;
  }

  /** The kept lines, the unfinished one included. */
  toString(): string {
    return [...this.#lines, ...(this.#rest === "" ? [] : [this.#rest])].join("\n");
  }
}

/** Characters. */
const LONGEST_LINE = 8192;
