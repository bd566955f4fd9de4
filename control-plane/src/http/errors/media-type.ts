import { WarrenError } from "@warren/contracts/errors";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../app-types.ts";
import { bringsBody } from "../slow-clients/transfer-watch.ts";

/** Errors of Fastify, and of its reader of forms, for a body of a type that the route does not take. */
const WRONG_TYPE = new Set(["FST_ERR_CTP_INVALID_MEDIA_TYPE", "FST_INVALID_MULTIPART_CONTENT_TYPE"]);
/** Characters of the client's type, or encoding, that the message shows. */
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

/** Refuses bodies that are compressed: read as they are, they would be something else. */
export function refuseEncodings(app: App): void {
  const check = (request: FastifyRequest, reply: FastifyReply) => {
    const { "content-encoding": encoding = "identity" } = request.headers;
    if (encoding.toLowerCase() === "identity" || !bringsBody(request.raw)) return;
    // What would have been taken (RFC 9110, section 12.5.3).
    reply.header("accept-encoding", "identity");
    throw new WarrenError(
      "unsupported_encoding",
      `the body is encoded (content-encoding: ${encoding.slice(0, SHOWN)}); send it as it is`,
    );
  };
  app.addHook("preParsing", (request, reply, _payload, done) => {
    check(request, reply);
    done();
  });
}
