import { LogOutput } from "@warren/server/log-output";
import { type Logger, pino } from "pino";

/** Logger of the process: one JSON object per line on standard output. */
export function createLogger(): Logger {
  return pino({ name: "host-agent", level: process.env.WARREN_LOG_LEVEL ?? "info" }, new LogOutput());
}
