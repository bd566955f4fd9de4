import { WarrenError } from "@warren/contracts/errors";
import type { ErrorBody } from "@warren/contracts/rest/error";
import type { App } from "../app.ts";
import { RateLimited } from "../rate-limits/rate-limited.ts";
import { toCatalogueError } from "./catalogue-error.ts";

/** Answers every failed request with the error body of the catalogue. */
export function handleErrors(app: App): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = toCatalogueError(thrown);
    if (error.status >= 500) request.log.error({ err: thrown, code: error.code }, "request failed");
    if (error instanceof RateLimited) reply.header("retry-after", error.retryAfterSec);
    return reply.code(error.status).send(errorBody(error));
  });
  app.setNotFoundHandler((request, reply) => {
    const error = new WarrenError(
      "not_found",
      `there is no ${request.method} ${request.url.split("?", 1)[0]}; see /docs`,
    );
    return reply.code(error.status).send(errorBody(error));
  });
}

/** The body that tells a client of an error. */
export function errorBody(error: WarrenError): ErrorBody {
  return { error: { code: error.code, message: error.message } };
}
