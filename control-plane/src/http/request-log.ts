import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { actorOf } from "../callers/caller.ts";
import type {} from "../callers/request-caller.ts";
import type { Logger } from "../logging.ts";

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
    const { id, method, url, caller } = request;
    const fields = {
      method,
      path: url.split("?", 1)[0],
      status: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime * 10) / 10,
      actor: caller ? actorOf(caller) : undefined,
    };
    if (error) request.log.info({ ...fields, err: error }, "request");
    else this.#unsearched.info({ reqId: id, ...fields }, "request");
  }
}
