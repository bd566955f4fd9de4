import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import { HOST_FILES } from "@warren/contracts/host-files";
import type { ErrorBody } from "@warren/contracts/rest/error";
import { callerGone } from "@warren/server/caller-gone";
import type { Logger } from "pino";
import type { GuestFile } from "../guest/file-transfers.ts";
import { sendFile, writeFile } from "../sandboxes/calls/files.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import { catalogueError } from "./errors.ts";

/** Serves the content of files over HTTP/1.1, as `contracts/src/host-files.ts` says. */
export function fileTransfers(sandboxes: Pick<SandboxService, "awake">, log: Logger): RequestListener {
  return (request, response) => {
    transfer(sandboxes, request, response).catch((error: unknown) => refuse(request, response, error, log));
  };
}

async function transfer(
  sandboxes: Pick<SandboxService, "awake">,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = callerGone(response);
  const { pathname, searchParams } = new URL(request.url ?? "", "http://agent");
  if (pathname !== HOST_FILES.path) throw new WarrenError("not_found", `there is nothing at ${pathname}`);
  const { parameters, headers } = HOST_FILES;
  const given = (name: keyof typeof parameters) => searchParams.get(parameters[name]) || undefined;
  const path = given("path") ?? "";
  const user = given("user");
  const archive = archiveOf(given("archive"));
  const sandbox = await sandboxes.awake(given("sandboxId") ?? "");
  if (request.method === "GET") {
    const answer = ({ size, mode, modifiedAt }: Omit<GuestFile, "content">) => {
      const known = { "content-length": size, [headers.mode]: mode, [headers.modifiedAt]: modifiedAt };
      const present = Object.entries(known).filter(([, value]) => value !== undefined);
      return response.writeHead(200, { "content-type": "application/octet-stream", ...Object.fromEntries(present) });
    };
    await sendFile(sandbox, { path, user, archive }, answer, gone);
  } else if (request.method === "PUT") {
    // The end of this iteration must not destroy the request, whose connection still has to carry the answer.
    const file = { path, user, mode: given("mode"), modifiedAt: given("modifiedAt"), name: given("name"), archive };
    await writeFile(sandbox, file, request.iterator({ destroyOnReturn: false }));
    response.writeHead(204).end();
  } else
    throw new WarrenError("invalid_request", `files are read with GET and written with PUT, not ${request.method}`);
}

function archiveOf(kind: string | undefined): "tar" | undefined {
  if (kind === undefined || kind === "tar") return kind;
  throw new WarrenError("invalid_request", `a directory is read and written as an archive tar, not ${kind}`);
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, log: Logger): void {
  const call = `${request.method} ${HOST_FILES.path}`;
  if (request.socket.destroyed) {
    log.debug({ err: error, call }, "the caller of a file transfer has gone");
  } else if (response.headersSent) {
    // A body that breaks off is all that can still tell.
    log.info({ err: error, call }, "a file broke off");
    response.destroy();
  } else {
    const { status, code, message } = catalogueError(error, call, log);
    const body = JSON.stringify({ error: { code, message } } satisfies ErrorBody);
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
    // The rest of the body is read and dropped, so that the caller gets to read the answer.
    request.resume();
  }
}
