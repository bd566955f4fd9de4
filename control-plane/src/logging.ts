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

/** Logger of the process: one JSON object per line, secrets replaced by `[redacted]`. */
export function createLogger(level: LogLevel, destination: DestinationStream = new LogOutput()): Logger {
  const quoted = SECRETS.map((name) => `["${name}"]`);
  return pino(
    {
      level,
      base: { part: "control-plane" },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: quoted.flatMap((name) => [name.slice(0), `*${name}`, `*.*${name}`]),
        censor: "[redacted]",
      },
    },
    destination,
  );
}
