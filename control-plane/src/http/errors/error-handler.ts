import { WarrenError } from "@warren/contracts/errors";
import { hasLeft } from "@warren/server/caller-gone";
import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimited } from "../../rate-limits/rate-limited.ts";
import type { App } from "../app-types.ts";
import { AllowedMethods } from "./allowed-methods.ts";
import { toCatalogueError } from "./catalogue-error.ts";
import { errorBody } from "./error-body.ts";
import { mediaTypeError } from "./media-type.ts";

/** Fastify's error for a QUERY without a type, which it finds before it looks for a route; none takes QUERY. */
const NO_TYPE_OF_QUERY = "FST_ERR_ROUTE_MISSING_CONTENT_TYPE";

/** Seconds after which a client may ask again for what could not be answered since a part of the service is away. */
const AWAY_RETRY_SEC = 2;

/** Answers every failed request with the error body of the catalogue. */
export function handleErrors(app: App): void {
  const methods = new AllowedMethods(app);
  const noSuchRoute = (request: FastifyRequest, reply: FastifyReply) => {
    const path = pathOf(request);
    const allowed = methods.of(path);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return refuse(reply, new WarrenError("not_found", `there is no ${request.method} ${path}; see /docs`));
    }
    const names = allowed.join(", ");
    reply.header("allow", names);
    return refuse(reply, new WarrenError("method_not_allowed", `${path} takes ${names}, not ${request.method}`));
  };
  app.setErrorHandler((thrown, request, reply) => {
    if (reply.raw.headersSent || request.socket.destroyed) return breakOff(thrown, request, reply);
    if ((thrown as { code?: string }).code === NO_TYPE_OF_QUERY) return noSuchRoute(request, reply);
    const error = mediaTypeError(thrown, request) ?? toCatalogueError(thrown);
    if (error.status >= 500) request.log.error({ err: thrown, code: error.code }, "request failed");
    return refuse(reply, error);
  });
  app.setNotFoundHandler(noSuchRoute);
}

/** Answers a request that failed before it had a route. */
export function answerFrameworkError(thrown: Error, _request: FastifyRequest, reply: FastifyReply): void {
  const error = new WarrenError("invalid_request", `the path is not valid: ${thrown.message}`);
  reply
    .code(error.status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify(errorBody(error)));
}

function refuse(reply: FastifyReply, error: WarrenError): FastifyReply {
  if (error instanceof RateLimited) reply.header("retry-after", error.retryAfterSec);
  // A host's refusal ends with whichever call ends first.
  else if (error.code === "rate_limited") reply.header("retry-after", 1);
  // What is away is looked for again every second.
  else if (error.status === 503) reply.header("retry-after", AWAY_RETRY_SEC);
  // What the client still sends is of no request.
  if (error.code === "request_timeout") reply.header("connection", "close");
  // By it the log tells of the request.
  reply.header("x-request-id", reply.request.id);
  return reply.code(error.status).send(errorBody(error));
}

/** Ends an answer that nobody can be told of any more: its client has left, or has half of it. */
function breakOff(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { method } = request;
  if (hasLeft(request.raw)) {
    request.log.info({ method, path: pathOf(request) }, "the client left before its answer was complete");
  } else {
    request.log.warn({ err: request.socket.errored ?? thrown, method, path: pathOf(request) }, "an answer broke off");
  }
  reply.hijack();
  reply.raw.destroy();
}

function pathOf({ url }: FastifyRequest): string {
  return url.split("?", 1)[0]!;
}
