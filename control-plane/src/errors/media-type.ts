import { WarrenError } from "@warren/contracts/errors";
import type { FastifyError, FastifyRequest } from "fastify";

/** Errors of Fastify, and of its reader of forms, for a body of a type that the route does not take. */
const WRONG_TYPE = new Set(["FST_ERR_CTP_INVALID_MEDIA_TYPE", "FST_INVALID_MULTIPART_CONTENT_TYPE"]);
/** Characters of the client's type that the message shows. */
const SHOWN = 100;

/** The error for a body of a wrong type, which names the one that the route takes; undefined for any other error. */
export function mediaTypeError(thrown: unknown, request: FastifyRequest): WarrenError | undefined {
  const { code } = thrown as Partial<FastifyError>;
  if (code === undefined || !WRONG_TYPE.has(code)) return undefined;
  const [taken = "application/json"] = request.routeOptions.schema?.consumes ?? [];
  const given = (request.headers["content-type"] ?? "").split(";", 1)[0]?.slice(0, SHOWN);
  const said = given ? `its content-type says ${given}` : "has no content-type";
  return new WarrenError("invalid_request", `the body must be ${taken}, and ${said}`, { cause: thrown });
}
