import { PassThrough, type Readable } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import { ErrorBody } from "@warren/contracts/rest/error";
import { UnpackQuery } from "@warren/contracts/rest/files";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { callerGone } from "@warren/server/caller-gone";
import type { FastifySchemaCompiler } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { createValidatorCompiler } from "../http/errors/validation.ts";
import type { FileService } from "./file-service.ts";

const TAR = "application/x-tar";
const archive = Type.Unsafe<Readable | undefined>({ type: "string", format: "binary", description: "The archive" });
const validateParameters = createValidatorCompiler();

/** The archive is checked by whoever unpacks it. */
const validatorCompiler: FastifySchemaCompiler<object> = (route) =>
  route.httpPart === "body" ? () => true : validateParameters(route);

/** The route that takes a directory as an archive: the other way of `GET …/files/archive`. */
export function unpackRoute(files: FileService): Routes {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(TAR, (_request, payload, done) => done(null, payload));
    app.put(
      "/v1/sandboxes/:id/files/archive",
      {
        validatorCompiler,
        schema: {
          tags: ["files"],
          summary: "Unpack a tar archive into a directory",
          description:
            "The archive, of any size and not compressed, is unpacked while it comes, with modes, times and links; what it has belongs " +
            "to the user. Files that are there are replaced, each when its new content is whole, and directories keep what " +
            "else is in them. Nothing is written outside of the directory, nor through a link. What cannot be written is named by an " +
            "error when all else is there; of an archive that breaks off, what came before stays.",
          consumes: [TAR],
          params: SandboxParams,
          querystring: UnpackQuery,
          body: archive,
          response: { 204: Type.Null(), "4xx": ErrorBody, "5xx": ErrorBody },
        },
      },
      async (request, reply) => {
        const { body, params, query } = request;
        if (!body) throw new WarrenError("invalid_request", `the body must be ${TAR}, and there is none`);
        const archive = passedOn(body);
        try {
          await files.unpack(callerOf(request), params.id, query, archive, callerGone(reply.raw));
        } catch (error) {
          // The rest of the body is read and dropped, so that the client gets to read the answer.
          body.unpipe(archive).resume();
          throw error;
        }
        return reply.code(204).send(null);
      },
    );
  };
}

/** A body to be read as far as one likes: the request keeps its connection, which still has to carry the answer. */
function passedOn(body: Readable): PassThrough {
  const passed = new PassThrough();
  body.on("error", (error) => passed.destroy(error));
  return body.pipe(passed);
}
