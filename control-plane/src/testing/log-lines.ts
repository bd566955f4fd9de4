import { EventEmitter, once } from "node:events";

/** A destination of a log that keeps its lines. */
export class LogLines {
  readonly lines: Record<string, unknown>[] = [];
  readonly #changes = new EventEmitter();

  write(line: string): void {
    this.lines.push(JSON.parse(line));
    this.#changes.emit("line");
  }

  /** Resolves once the lines fulfil a condition. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#changes, "line");
  }
}
