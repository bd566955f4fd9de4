/** Characters of an event that is not complete yet at which its stream is given up; those of the API are far below. */
const LONGEST = 16 * 1024 * 1024;

/** Fields of one event of a stream, as it came. */
export interface EventBlock {
  event?: string;
  data?: string;
  id?: string;
  /** Milliseconds. */
  retry?: number;
}

/** Takes a stream of server-sent events apart (HTML standard, section 9.2.6). */
export class EventBlocks {
  #text = "";
  #block: EventBlock = {};

  /** The events that are complete with these characters, and lines that stand alone, such as ids. */
  add(text: string): EventBlock[] {
    this.#text += text;
    if (this.#text.length > LONGEST) throw new RangeError("an event of the stream is too long");
    // A carriage return at the end may have its newline still to come.
    const lines = this.#text.split(/\r\n|\n|\r(?!$)/);
    this.#text = lines.pop()!;
    const blocks: EventBlock[] = [];
    for (const line of lines) {
      if (line !== "") this.#addLine(line);
      else {
        if (Object.keys(this.#block).length > 0) blocks.push(this.#block);
        this.#block = {};
      }
    }
    return blocks;
  }

  #addLine(line: string): void {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#block.data = this.#block.data === undefined ? value : `${this.#block.data}\n${value}`;
    else if (name === "event") this.#block.event = value;
    else if (name === "id" && !value.includes("\0")) this.#block.id = value;
    else if (name === "retry" && /^\d{1,9}$/.test(value)) this.#block.retry = Number(value);
  }
}
