import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, readlink, rename, rm } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { basename, dirname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import type {
  ListFilesRequest,
  MakeDirectoryRequest,
  MoveFileRequest,
  RemoveFileRequest,
  StatFileRequest,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { HOST_FILES } from "@warren/contracts/host-files";
import { errorBody } from "../../http/errors/error-body.ts";
import { fromRpcError } from "../rpc-errors.ts";
import { rpcError } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";

/** Files and directories of the guest's directory, in calls; a list has one level. */
export function directoryHandlers(guestOf: (sandboxId: string) => DoubleGuest) {
  const entry = async (guest: DoubleGuest, path: string) => {
    const found = await lstat(guest.path(path)).catch(() => {
      throw rpcError("file_not_found", `${path}: no such file`);
    });
    return {
      name: basename(path),
      path: normalize(`/${path}`),
      type: found.isSymbolicLink() ? "symlink" : found.isDirectory() ? "directory" : "file",
      size: BigInt(found.size),
      mode: found.mode & 0o7777,
      owner: "user",
      group: "user",
      modifiedAtUnixMs: BigInt(Math.trunc(found.mtimeMs)),
      target: found.isSymbolicLink() ? await readlink(guest.path(path)) : "",
    };
  };
  return {
    async listFiles({ sandboxId, path, limit, after }: ListFilesRequest) {
      const guest = guestOf(sandboxId);
      const names = (await readdir(guest.path(path)).catch(() => [])).sort();
      const rest = names.map((name) => join(path, name)).filter((found) => normalize(`/${found}`) > after);
      const entries = await Promise.all(rest.slice(0, limit).map((found) => entry(guest, found)));
      return { entries, truncated: rest.length > limit };
    },
    async statFile({ sandboxId, path }: StatFileRequest) {
      return { entry: await entry(guestOf(sandboxId), path) };
    },
    async makeDirectory({ sandboxId, path, parents }: MakeDirectoryRequest) {
      const guest = guestOf(sandboxId);
      await mkdir(guest.path(path), { recursive: parents }).catch(() => {
        throw rpcError("already_exists", `${path} is there`);
      });
      return { entry: await entry(guest, path) };
    },
    async removeFile({ sandboxId, path, recursive }: RemoveFileRequest) {
      await rm(guestOf(sandboxId).path(path), { recursive, force: recursive }).catch(() => {
        throw rpcError("conflict", `${path} is not empty, or is not there`);
      });
      return {};
    },
    async moveFile({ sandboxId, path, destination }: MoveFileRequest) {
      const guest = guestOf(sandboxId);
      await rename(guest.path(path), guest.path(destination)).catch(({ code }: NodeJS.ErrnoException) => {
        throw code === "ENOENT"
          ? rpcError("file_not_found", `${path}: no such file`)
          : rpcError("invalid_path", `${destination}: ${code}`);
      });
      return { entry: await entry(guest, destination) };
    },
  };
}

/** Files of the guest's directory, over HTTP/1.1. */
export function fileListener(guestOf: (sandboxId: string) => DoubleGuest): RequestListener {
  return (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://double");
    const asked = searchParams.get(HOST_FILES.parameters.path) ?? "";
    const path =
      asked === "" || asked.endsWith("/") ? asked + (searchParams.get(HOST_FILES.parameters.name) ?? "") : asked;
    const handle = request.method === "PUT" ? replace : send;
    (async () =>
      handle(guestOf(searchParams.get(HOST_FILES.parameters.sandboxId) ?? ""), path, request, response))().catch(
      (thrown: unknown) => {
        request.resume();
        if (response.headersSent) return void response.destroy();
        const error = fromRpcError(asHost(thrown, path));
        response.writeHead(error.status).end(JSON.stringify(errorBody(error)));
      },
    );
  };
}

/** What the path itself is to blame for, as a host says it. */
const PATH_FAULTS = ["EISDIR", "ENOTDIR", "ENAMETOOLONG", "EEXIST", "ENOTEMPTY"];

function asHost(thrown: unknown, path: string): unknown {
  const { code = "" } = thrown as NodeJS.ErrnoException;
  return PATH_FAULTS.includes(code) ? rpcError("invalid_path", `${path}: ${code}`) : thrown;
}

/** Writes beside the file and renames, so that a call that breaks leaves what was there. */
async function replace(guest: DoubleGuest, path: string, request: IncomingMessage, response: ServerResponse) {
  guest.requireRunning();
  const target = guest.path(path);
  const temporary = `${target}.${randomUUID()}`;
  await mkdir(dirname(target), { recursive: true });
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
  const stat = await file.stat();
  if (stat.isDirectory()) {
    await file.close();
    throw rpcError("invalid_path", `${path} is a directory`);
  }
  response.writeHead(200, { "content-length": stat.size });
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
