import { posix } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { HOST_FILES } from "@warren/contracts/host-files";
import { ErrorBody } from "@warren/contracts/rest/error";
import { DownloadQuery, FileMode, FileTime } from "@warren/contracts/rest/files";
import { SandboxParams } from "@warren/contracts/rest/sandboxes";
import { callerGone } from "@warren/server/caller-gone";
import type { FastifyRequest } from "fastify";
import { INSIDE } from "../auth/access-guard.ts";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { attachment } from "./attachment.ts";
import type { FileService } from "./file-service.ts";
import { sendFile } from "./send-file.ts";

const tags = ["files"];
const errors = { "4xx": ErrorBody, "5xx": ErrorBody };
const binary = { type: "string", format: "binary" } as const;
const disposition = {
  type: "string",
  description: "Has browsers save it, under the name that it has in the sandbox",
} as const;

/**
 * What keeps a file of a guest from ever being a page, a script or a style of this origin, opened as it may be: no browser
 * shows it, and one that did would give it an origin of its own without anything in it.
 */
const HARMLESS = {
  "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

/** Routes by which browsers download from sandboxes: addresses, whose answers are saved and never shown. */
export function downloadRoutes(files: FileService): Routes {
  return async (app) => {
    app.get(
      "/v1/sandboxes/:id/files/download",
      {
        // The body of a HEAD would be read for nothing.
        exposeHeadRoute: false,
        config: INSIDE,
        schema: {
          tags,
          summary: "Download a file by an address",
          description:
            "For links in pages; the bytes are those of `files/stream/read`. Pages of other sites are refused.",
          params: SandboxParams,
          querystring: DownloadQuery,
          response: {
            200: {
              description: "Content of the file",
              content: { "application/octet-stream": { schema: binary } },
              headers: {
                "content-disposition": disposition,
                [HOST_FILES.headers.mode]: FileMode,
                [HOST_FILES.headers.modifiedAt]: FileTime,
              },
            },
            ...errors,
          },
        },
      },
      async (request, reply) => {
        refuseOtherSites(request);
        const { query } = request;
        await files.read(callerOf(request), request.params.id, query, callerGone(reply.raw), (file) =>
          sendFile(reply.headers({ ...HARMLESS, "Content-Disposition": attachment(nameOf(query.path, "file")) }), file),
        );
        return reply;
      },
    );
    app.get(
      "/v1/sandboxes/:id/files/archive",
      {
        exposeHeadRoute: false,
        config: INSIDE,
        schema: {
          tags,
          summary: "Download a directory as a tar archive",
          description:
            "The archive is made while it is sent (pax format), with modes, times and links as they are. It stays on the file " +
            "system of the directory. What the user may not read is left out, and named by a last member `NAME.left-out.txt`.",
          params: SandboxParams,
          querystring: DownloadQuery,
          response: {
            200: {
              description: "The archive",
              content: { "application/x-tar": { schema: binary } },
              headers: { "content-disposition": disposition },
            },
            ...errors,
          },
        },
      },
      async (request, reply) => {
        refuseOtherSites(request);
        const { query, params } = request;
        const asked = { ...query, archive: "tar" as const };
        await files.read(callerOf(request), params.id, asked, callerGone(reply.raw), (file) => {
          const name = `${nameOf(query.path, params.id)}.tar`;
          reply.headers({ ...HARMLESS, "Content-Disposition": attachment(name), "Content-Type": "application/x-tar" });
          return sendFile(reply, file);
        });
        return reply;
      },
    );
  };
}

/** Links of other sites carry the session as well, and would wake sandboxes and fill the disk of whoever follows them. */
function refuseOtherSites({ headers }: FastifyRequest): void {
  const site = headers["sec-fetch-site"];
  if (headers.authorization !== undefined || headers["x-api-key"] !== undefined) return;
  if (site === undefined || site === "same-origin" || site === "none") return;
  throw new WarrenError("forbidden", "pages of other sites may not download from sandboxes; open the address itself");
}

/** Name of what a path leads to, as far as the path tells. */
function nameOf(path: string, otherwise: string): string {
  const name = posix.basename(posix.normalize(path));
  return ["", ".", "..", "/", "~"].includes(name) ? otherwise : name;
}
