import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { HOST_FILES } from "@warren/contracts/host-files";
import { errorBody } from "../../errors/error-body.ts";
import { fromRpcError } from "../rpc-errors.ts";
import { rpcError } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";

/** Files of the guest's directory, over HTTP/1.1. */
export function fileListener(guestOf: (sandboxId: string) => DoubleGuest): RequestListener {
  return (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://double");
    const path = searchParams.get(HOST_FILES.parameters.path) ?? "";
    const handle = request.method === "PUT" ? replace : send;
    (async () =>
      handle(guestOf(searchParams.get(HOST_FILES.parameters.sandboxId) ?? ""), path, request, response))().catch(
      (thrown: unknown) => {
        request.resume();
        if (response.headersSent) return void response.destroy();
        const error = fromRpcError(thrown);
        response.writeHead(error.status).end(JSON.stringify(errorBody(error)));
      },
    );
  };
}

/** Writes beside the file and renames, so that a call that breaks leaves what was there. */
async function replace(guest: DoubleGuest, path: string, request: IncomingMessage, response: ServerResponse) {
  guest.requireRunning();
  const target = guest.path(path);
  const temporary = `${target}.${randomUUID()}`;
  try {
    const file = await open(temporary, "wx");
    await pipeline(request.iterator({ destroyOnReturn: false }), file.createWriteStream());
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  response.writeHead(204).end();
}

async function send(guest: DoubleGuest, path: string, _request: IncomingMessage, response: ServerResponse) {
  const file = await openFile(guest, path);
  response.writeHead(200, { "content-length": (await file.stat()).size });
  await pipeline(file.createReadStream(), response);
}

async function openFile(guest: DoubleGuest, path: string) {
  guest.requireRunning();
  try {
    return await open(guest.path(path), "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw rpcError("file_not_found", `${path}: no such file`);
  }
}
