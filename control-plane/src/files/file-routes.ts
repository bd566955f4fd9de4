import multipart from "@fastify/multipart";
import { HOST_FILES } from "@warren/contracts/host-files";
import { LIMITS } from "@warren/contracts/limits";
import { ErrorBody } from "@warren/contracts/rest/error";
import { FileMode, FileTime, ReadFile, WriteFileFields } from "@warren/contracts/rest/files";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { callerGone } from "@warren/server/caller-gone";
import type { FastifyReply, FastifyRequest, FastifySchemaCompiler } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { createValidatorCompiler } from "../http/errors/validation.ts";
import type { FileService } from "./file-service.ts";
import { sendFile } from "./send-file.ts";
import { receiveUpload, type Spool, type UploadOptions } from "./upload.ts";

const tags = ["files"];
const octets = {
  description: "Content of the file",
  content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
  headers: {
    [HOST_FILES.headers.mode]: FileMode,
    [HOST_FILES.headers.modifiedAt]: FileTime,
  },
};
const errors = { "4xx": ErrorBody, "5xx": ErrorBody };
const bytes = Type.Unsafe<Buffer>({ type: "string", format: "binary", description: "Content of the file" });

/** Form of an upload, for the documentation; it is checked while it is read. */
const UploadForm = Type.Object({ ...WriteFileFields.properties, file: bytes }, { additionalProperties: false });
const validateParameters = createValidatorCompiler();

const UPLOAD_DESCRIPTION =
  "A multipart form: `path`, optionally `name`, `user`, `mode` and `modified_at`, and `file`. A file that comes before its path is " +
  "limited in size. The file has its new content once all of it has arrived; an upload that fails changes nothing.";

/** Routes that move files: `files/write`, `files/read` and their streaming forms. */
export function fileRoutes(files: FileService, spool: Spool): Routes {
  return async (app) => {
    const write = (options: UploadOptions) => async (request: FastifyRequest, reply: FastifyReply) => {
      const caller = callerOf(request);
      const { id } = request.params as { id: string };
      const gone = callerGone(reply.raw);
      try {
        await receiveUpload(request, options, (upload) => files.write(caller, id, upload, gone));
      } catch (error) {
        // The rest of the body is read and dropped, so that the client gets to read the answer.
        request.raw.unpipe();
        request.raw.resume();
        throw error;
      }
      return reply.code(204).send();
    };
    const validatorCompiler: FastifySchemaCompiler<object> = (route) =>
      route.httpPart === "body" ? () => true : validateParameters(route);
    const writeSchema = (summary: string) => ({
      tags,
      summary,
      description: UPLOAD_DESCRIPTION,
      consumes: ["multipart/form-data"],
      params: SandboxParams,
      body: UploadForm,
      response: { 204: Type.Null(), ...errors },
    });
    await app.register(async (uploads) => {
      await uploads.register(multipart);
      uploads.post(
        "/v1/sandboxes/:id/files/write",
        { validatorCompiler, schema: writeSchema(`Write a file of at most ${LIMITS.uploadBytes / 1024 / 1024} MiB`) },
        write({ spool, maxBytes: LIMITS.uploadBytes }),
      );
      uploads.post(
        "/v1/sandboxes/:id/files/stream/write",
        { validatorCompiler, schema: writeSchema("Write a file of any size") },
        write({ spool }),
      );
    });

    for (const [url, summary] of [
      ["/v1/sandboxes/:id/files/read", "Read a file"],
      ["/v1/sandboxes/:id/files/stream/read", "Read a file of any size, each piece as it comes"],
    ] as const) {
      app.post(
        url,
        { schema: { tags, summary, params: SandboxParams, body: ReadFile, response: { 200: octets, ...errors } } },
        async (request, reply) => {
          const gone = callerGone(reply.raw);
          await files.read(callerOf(request), request.params.id, request.body, gone, (file) => sendFile(reply, file));
          return reply;
        },
      );
    }
  };
}
