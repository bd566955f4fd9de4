import type { FastifyBaseLogger } from "fastify";
import type { Bindings, ChildLoggerOptions, Logger } from "pino";

/** What a line is made of: fields and a message, or a message alone. */
type Line = [first: unknown, ...rest: unknown[]];

/**
 * The log of one request, whose id is in its lines. Most requests write none by it: what writes them is made for the first,
 * since it prepares its search for secrets anew, which takes longer than the rest of a small request.
 */
export class RequestLogger {
  readonly #log: Logger;
  readonly #bindings: Bindings | undefined;
  #own: Logger | undefined;

  /** Without bindings the log of the server, which gives each request its own. */
  constructor(log: Logger, bindings?: Bindings) {
    this.#log = log;
    this.#bindings = bindings;
  }

  get level(): string {
    return this.#log.level;
  }

  fatal(...line: Line): void {
    this.#made.fatal(...(line as [string]));
  }

  error(...line: Line): void {
    this.#made.error(...(line as [string]));
  }

  warn(...line: Line): void {
    this.#made.warn(...(line as [string]));
  }

  info(...line: Line): void {
    this.#made.info(...(line as [string]));
  }

  debug(...line: Line): void {
    this.#made.debug(...(line as [string]));
  }

  trace(...line: Line): void {
    this.#made.trace(...(line as [string]));
  }

  silent(): void {}

  child(bindings: Bindings, options?: ChildLoggerOptions): FastifyBaseLogger {
    if (this.#bindings === undefined) {
      // Fastify asks first for one with its own ways to write requests, none of which is logged as a whole.
      return Object.keys(bindings).length === 0 ? this : new RequestLogger(this.#log, bindings);
    }
    return this.#made.child(bindings, options) as FastifyBaseLogger;
  }

  get #made(): Logger {
    this.#own ??= this.#bindings === undefined ? this.#log : this.#log.child(this.#bindings);
    return this.#own;
  }
}
