import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { actorOf, type Identity } from "../callers/caller.ts";
import type {} from "../callers/request-caller.ts";
import { FrequentLines, type Logger } from "../logging.ts";

/** One log line per request, written when it ends, with who made it. */
export class RequestLog extends LogController {
  readonly #lines: FrequentLines;
  /** What is written of callers, who are the same objects as long as what was read of them is kept. */
  readonly #actors = new WeakMap<Identity, string>();

  constructor(log: Logger) {
    super();
    this.#lines = new FrequentLines(log);
  }

  override incomingRequest(): void {}

  /** The handler of the route fails as well, and the error handler says so. */
  override streamError(): void {}

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const { id, method, url, caller } = request;
    const path = url.split("?", 1)[0]!;
    const duration = Math.round(reply.elapsedTime * 10) / 10;
    if (error) {
      const actor = caller ? actorOf(caller) : undefined;
      request.log.info({ method, path, status: reply.statusCode, duration_ms: duration, actor, err: error }, "request");
      return;
    }
    this.#lines.write(
      `"reqId":"${id}","method":"${method}","path":${JSON.stringify(path)},"status":${reply.statusCode},"duration_ms":${duration}${caller ? this.#actorText(caller) : ""}`,
      "request",
    );
  }

  #actorText(caller: Identity): string {
    let text = this.#actors.get(caller);
    if (text === undefined) {
      text = `,"actor":${JSON.stringify(actorOf(caller))}`;
      this.#actors.set(caller, text);
    }
    return text;
  }
}
