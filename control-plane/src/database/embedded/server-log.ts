import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Logger } from "../../logging.ts";

/** Characters of a line, and lines, that are kept. */
const MOST_CHARACTERS = 2_000;
const KEPT_LINES = 20;

/**
 * Level of a line by the severity that PostgreSQL begins it with. What became of a statement (ERROR) or a connection (FATAL),
 * its client says.
 */
const LEVELS: [start: string, level: "warn" | "error"][] = [
  ["PANIC:", "error"],
  ["WARNING:", "warn"],
];
const READY = "database system is ready to accept connections";

/** What a server writes to its standard error, passed on to our log. */
export class ServerLog {
  /** Resolves when the server takes connections; never when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with all that was written read. */
  readonly closed: Promise<void>;
  readonly #lines: string[] = [];

  constructor(output: Readable, log: Logger) {
    const ready = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.closed = closed.promise;
    const reader = createInterface({ input: output });
    reader.on("close", () => closed.resolve());
    reader.on("line", (text) => {
      const line = text.slice(0, MOST_CHARACTERS);
      this.#keep(line);
      const level = LEVELS.find(([start]) => line.startsWith(start))?.[1] ?? "debug";
      log[level]({ database: line }, "the embedded database says");
      if (line.includes(READY)) ready.resolve();
    });
  }

  /** The last lines. */
  tail(): string {
    return this.#lines.join("\n");
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }
}
