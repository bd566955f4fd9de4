import { ErrorBody } from "@warren/contracts/rest/error";
import {
  FileEntry,
  FileList,
  ListFiles,
  MakeDirectory,
  MoveFile,
  RemoveFile,
  StatFile,
} from "@warren/contracts/rest/files";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { Type } from "typebox";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import type { FileService } from "./file-service.ts";

const tags = ["files"];
const params = SandboxParams;
const errors = { "4xx": ErrorBody, "5xx": ErrorBody };

/** Routes that list, describe, make, move and remove files and directories. */
export function directoryRoutes(files: FileService): Routes {
  return async (app) => {
    app.post(
      "/v1/sandboxes/:id/files/list",
      {
        schema: {
          tags,
          summary: "List a directory",
          description: "As many entries as fit; when there are more, `next` is where to go on. Links are not followed.",
          params,
          body: ListFiles,
          response: { 200: FileList, ...errors },
        },
      },
      async (request) => files.list(callerOf(request), request.params.id, request.body),
    );
    app.post(
      "/v1/sandboxes/:id/files/stat",
      {
        schema: {
          tags,
          summary: "Describe a file, a directory or a link",
          params,
          body: StatFile,
          response: { 200: FileEntry, ...errors },
        },
      },
      async (request) => files.stat(callerOf(request), request.params.id, request.body),
    );
    app.post(
      "/v1/sandboxes/:id/files/mkdir",
      {
        schema: {
          tags,
          summary: "Make a directory",
          params,
          body: MakeDirectory,
          response: { 200: FileEntry, ...errors },
        },
      },
      async (request) => files.makeDirectory(callerOf(request), request.params.id, request.body),
    );
    app.post(
      "/v1/sandboxes/:id/files/remove",
      {
        schema: {
          tags,
          summary: "Remove a file or a directory",
          description:
            "A directory that is not empty wants `recursive`. A link is removed, not what it leads to. When something in a " +
            "directory may not be removed, the rest of it has gone, and the error says so.",
          params,
          body: RemoveFile,
          response: { 204: Type.Null(), ...errors },
        },
      },
      async (request, reply) => {
        await files.remove(callerOf(request), request.params.id, request.body);
        return reply.code(204).send(null);
      },
    );
    app.post(
      "/v1/sandboxes/:id/files/move",
      {
        schema: {
          tags,
          summary: "Move or rename a file or a directory",
          params,
          body: MoveFile,
          response: { 200: FileEntry, ...errors },
        },
      },
      async (request) => files.move(callerOf(request), request.params.id, request.body),
    );
  };
}
