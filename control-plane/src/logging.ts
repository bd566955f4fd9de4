import { LogOutput } from "@warren/server/log-output";
import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { type DestinationStream, type Logger, pino } from "pino";
import { actorOf } from "./auth/caller.ts";
import type {} from "./auth/request-caller.ts";
import type { LogLevel } from "./config.ts";

export type { Logger };

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
export function createLogger(level: LogLevel, destination: DestinationStream = new LogOutput(1)): Logger {
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

/** One log line per request, written when it ends, with who made it. */
export class RequestLog extends LogController {
  /** The fields of a request that went well are none of the secret ones, and the search for those is what costs most. */
  readonly #unsearched: Logger;

  constructor(log: Logger) {
    super();
    this.#unsearched = log.child({}, { redact: [] });
  }

  override incomingRequest(): void {}

  /** The handler of the route fails as well, and the error handler says so. */
  override streamError(): void {}

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const log = error ? request.log : this.#unsearched;
    log.info(
      {
        ...(!error && { reqId: request.id }),
        method: request.method,
        path: request.url.split("?", 1)[0],
        status: reply.statusCode,
        duration_ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(request.caller && { actor: actorOf(request.caller) }),
        ...(error && { err: error }),
      },
      "request",
    );
  }
}
