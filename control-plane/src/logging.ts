import { LogOutput } from "@warren/server/log-output";
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger };

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of fields that hold secrets, wherever they stand in a logged object down to the third level. */
const SECRETS = [
  "authorization",
  "cookie",
  "x-api-key",
  "x-host-token",
  "api_key",
  "apiKey",
  "key_hash",
  "password",
  "token",
  "refresh_token",
  "env",
  // Values of a statement, which database errors carry.
  "params",
  "parameters",
];

/** Where lines go. */
export interface LineOutput extends DestinationStream {
  /** Takes a line that may wait for the others of this turn of the event loop. */
  writeSoon?(line: string): void;
}

/** Logger of the process: one JSON object per line, secrets replaced by `[redacted]`. */
export function createLogger(level: LogLevel, destination: LineOutput = new LogOutput()): Logger {
  const quoted = SECRETS.map((name) => `["${name}"]`);
  return pino(
    {
      level,
      base: { part: "control-plane" },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
      redact: {
        paths: quoted.flatMap((name) => [name.slice(0), `*${name}`, `*.*${name}`]),
        censor: "[redacted]",
      },
    },
    destination,
  );
}

/**
 * Writes lines of level `info` with fields that are none of the secret ones. pino takes several times as long for a line, which
 * a small request would feel.
 */
export class FrequentLines {
  readonly #log: Logger;
  readonly #output: LineOutput;
  /** Members of an object that every line has. */
  readonly #bound: string;

  constructor(log: Logger) {
    this.#log = log;
    this.#output = (log as Logger & { [pino.symbols.streamSym]: LineOutput })[pino.symbols.streamSym];
    this.#bound = JSON.stringify(log.bindings()).slice(1, -1);
  }

  /** `fields` are members of a JSON object, such as `"a":1,"b":2`. */
  write(fields: string, message: string): void {
    if (!this.#log.isLevelEnabled("info")) return;
    const { info } = this.#log.levels.values;
    const line = `{"level":${info},"time":"${isoTime(Date.now())}",${this.#bound},${fields},"msg":"${message}"}\n`;
    if (this.#output.writeSoon) this.#output.writeSoon(line);
    else this.#output.write(line);
  }
}

/** The second of the last time that was asked for, since the epoch, and its text up to the point. */
let lastSecond = Number.NaN;
let textOfSecond = "";

/** A time, in milliseconds since the epoch, as Date.toISOString writes it, which takes longer than a line of the log. */
export function isoTime(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    textOfSecond = new Date(second * 1000).toISOString().slice(0, -"000Z".length);
  }
  return `${textOfSecond}${String(time - second * 1000).padStart(3, "0")}Z`;
}
