import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import type { FastifyError } from "fastify";
import { isDatabaseAway } from "../../database/unavailable.ts";

/** Fastify's own errors (code FST_ERR_…) and those of its plugins that have a code of their own in the catalogue. */
const FRAMEWORK_CODES: Record<number, ErrorCode> = {
  400: "invalid_request",
  // Such as a path that leads out of the files of the documentation.
  403: "not_found",
  404: "not_found",
  406: "invalid_request",
  413: "too_large",
  415: "invalid_request",
  429: "rate_limited",
};

/** A full disk, as Linux and PostgreSQL (SQLSTATE) call it. */
const DISK_FULL = new Set(["ENOSPC", "EDQUOT", "53100"]);

/**
 * The error of the catalogue that a thrown value means to the client. Anything unexpected becomes `internal_error`
 * without a word of the original, which may hold internals.
 */
export function toCatalogueError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  if (isDatabaseAway(error)) {
    return new WarrenError("database_unavailable", "the database does not answer; try again shortly", { cause: error });
  }
  const { statusCode, code, message } = error as Partial<FastifyError>;
  if (code !== undefined && DISK_FULL.has(code)) {
    return new WarrenError("host_disk_full", "the server's disk is full; free some and try again", { cause: error });
  }
  const mapped = statusCode === undefined ? undefined : FRAMEWORK_CODES[statusCode];
  if (mapped && typeof code === "string" && message) return new WarrenError(mapped, message, { cause: error });
  return new WarrenError(
    "internal_error",
    "the server met an unexpected error; it is in the server's log under the request's id",
    { cause: error },
  );
}
