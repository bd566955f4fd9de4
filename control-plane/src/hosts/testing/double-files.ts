import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, lstat, mkdir, open, readdir, readlink, rename, rm, rmdir, utimes } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { basename, dirname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type {
  ListFilesRequest,
  MakeDirectoryRequest,
  MoveFileRequest,
  ReadFileRequest,
  RemoveFileRequest,
  StatFileRequest,
  StreamReadFileRequest,
  StreamWriteFileRequest,
  WriteFileRequest,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { HOST_FILES } from "@warren/contracts/host-files";
import { errorBody } from "../../http/errors/error-body.ts";
import { fromRpcError } from "../rpc-errors.ts";
import { answering, rpcError, streaming } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";

/** Files and directories of the guest's directory, in calls; a list has one level. */
export function directoryHandlers(guestOf: (sandboxId: string) => DoubleGuest) {
  const running = (sandboxId: string) => {
    const guest = guestOf(sandboxId);
    guest.requireRunning();
    return guest;
  };
  return {
    listFiles: answering(async ({ sandboxId, path, limit, after }: ListFilesRequest) => {
      const guest = running(sandboxId);
      const names = await readdir(guest.path(path)).catch((error: unknown) => {
        throw pathError(path, error);
      });
      const paths = names.sort().map((name) => join(path, name));
      const rest = paths.filter((found) => normalize(`/${found}`) > after);
      const entries = await Promise.all(rest.slice(0, limit).map((found) => entryOf(guest, found)));
      return { entries, truncated: rest.length > limit };
    }),
    statFile: answering(async ({ sandboxId, path }: StatFileRequest) => ({
      entry: await entryOf(running(sandboxId), path),
    })),
    makeDirectory: answering(async ({ sandboxId, path, parents }: MakeDirectoryRequest) => {
      const guest = running(sandboxId);
      await mkdir(guest.path(path), { recursive: parents }).catch((error: unknown) => {
        throw pathError(path, error);
      });
      return { entry: await entryOf(guest, path) };
    }),
    removeFile: answering(async ({ sandboxId, path, recursive }: RemoveFileRequest) => {
      const target = running(sandboxId).path(path);
      const isDirectory = async () => (await lstat(target)).isDirectory();
      const removed = recursive
        ? rm(target, { recursive, force: true })
        : isDirectory().then((directory) => (directory ? rmdir(target) : rm(target)));
      await removed.catch((error: unknown) => {
        throw pathError(path, error);
      });
      return {};
    }),
    moveFile: answering(async ({ sandboxId, path, destination }: MoveFileRequest) => {
      const guest = running(sandboxId);
      const target = destination.endsWith("/") ? join(destination, basename(path)) : destination;
      await rename(guest.path(path), guest.path(target)).catch((error: unknown) => {
        throw pathError(path, error);
      });
      return { entry: await entryOf(guest, target) };
    }),
  };
}

async function entryOf(guest: DoubleGuest, path: string) {
  const found = await lstat(guest.path(path)).catch((error: unknown) => {
    throw pathError(path, error);
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
}

/** What a call about a path failed with, as a host says it. */
function pathError(path: string, error: unknown): unknown {
  const { code = "" } = error as NodeJS.ErrnoException;
  const meant = { ENOENT: "file_not_found", EEXIST: "already_exists", ENOTEMPTY: "conflict" } as const;
  if (Object.hasOwn(meant, code)) return rpcError(meant[code as keyof typeof meant], `${path}: ${code}`);
  return asHost(error, path);
}

/** The content of files in messages. */
export function contentHandlers(guestOf: (sandboxId: string) => DoubleGuest) {
  return {
    writeFile: answering(async ({ sandboxId, path, content }: WriteFileRequest) => {
      await write(guestOf(sandboxId), path, [content]);
      return {};
    }),
    readFile: answering(async ({ sandboxId, path }: ReadFileRequest) => {
      const file = await openFile(guestOf(sandboxId), path);
      return { content: await file.readFile().finally(() => file.close()) };
    }),
    streamWriteFile: answering(async (requests: AsyncIterable<StreamWriteFileRequest>) => {
      const messages = requests[Symbol.asyncIterator]();
      const { message } = (await messages.next()).value as StreamWriteFileRequest;
      if (message.case !== "meta") throw rpcError("invalid_request", "the first message must be meta");
      const chunks: Uint8Array[] = [];
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        if (next.value.message.case === "chunk") chunks.push(next.value.message.value);
      }
      await write(guestOf(message.value.sandboxId), message.value.path, chunks);
      return { size: BigInt(Buffer.concat(chunks).length) };
    }),
    streamReadFile: streaming(async function* ({ sandboxId, path }: StreamReadFileRequest) {
      const file = await openFile(guestOf(sandboxId), path);
      const { size } = await file.stat();
      yield { message: { case: "meta" as const, value: { size: BigInt(size) } } };
      for await (const value of file.createReadStream()) yield { message: { case: "chunk" as const, value } };
    }),
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
      handle(
        guestOf(searchParams.get(HOST_FILES.parameters.sandboxId) ?? ""),
        path,
        request,
        response,
        searchParams,
      ))().catch((thrown: unknown) => {
      request.resume();
      if (response.headersSent) return void response.destroy();
      const error = fromRpcError(asHost(thrown, path));
      response.writeHead(error.status).end(JSON.stringify(errorBody(error)));
    });
  };
}

/** What the path itself is to blame for, as a host says it. */
const PATH_FAULTS = ["EISDIR", "ENOTDIR", "ENAMETOOLONG", "EEXIST", "ENOTEMPTY"];

function asHost(thrown: unknown, path: string): unknown {
  const { code = "" } = thrown as NodeJS.ErrnoException;
  return PATH_FAULTS.includes(code) ? rpcError("invalid_path", `${path}: ${code}`) : thrown;
}

async function replace(
  guest: DoubleGuest,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  parameters: URLSearchParams,
) {
  if (parameters.has(HOST_FILES.parameters.archive)) return unpack(guest, path, request, response);
  const mode = parameters.get(HOST_FILES.parameters.mode);
  const at = parameters.get(HOST_FILES.parameters.modifiedAt);
  await write(guest, path, request.iterator({ destroyOnReturn: false }));
  if (mode !== null) await chmod(guest.path(path), Number.parseInt(mode, 8));
  if (at !== null) await utimes(guest.path(path), new Date(at), new Date(at));
  response.writeHead(204).end();
}

/** Writes beside the file and renames, so that a call that breaks leaves what was there. */
async function write(
  guest: DoubleGuest,
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  guest.requireRunning();
  const target = guest.path(path);
  const temporary = `${target}.${randomUUID()}`;
  await mkdir(dirname(target), { recursive: true });
  try {
    const file = await open(temporary, "wx");
    await pipeline(content, file.createWriteStream());
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function send(
  guest: DoubleGuest,
  path: string,
  _request: IncomingMessage,
  response: ServerResponse,
  parameters: URLSearchParams,
) {
  if (parameters.has(HOST_FILES.parameters.archive)) return sendArchive(guest, path, response);
  const file = await openFile(guest, path);
  const stat = await file.stat();
  if (stat.isDirectory()) {
    await file.close();
    throw rpcError("invalid_path", `${path} is a directory`);
  }
  response.writeHead(200, {
    "content-length": stat.size,
    [HOST_FILES.headers.mode]: (stat.mode & 0o7777).toString(8),
    [HOST_FILES.headers.modifiedAt]: stat.mtime.toISOString(),
  });
  await pipeline(file.createReadStream(), response);
}

async function sendArchive(guest: DoubleGuest, path: string, response: ServerResponse) {
  const entry = await entryOf(guest, path);
  guest.requireRunning();
  if (entry.type !== "directory") throw rpcError("invalid_path", `${path} is not a directory`);
  const name = basename(entry.path);
  const place = ["--directory", dirname(guest.path(path)), "--transform", `s,^[^/]*,${name},SH`];
  const tar = spawn("tar", ["--create", "--format=posix", ...place, basename(guest.path(path))]);
  response.writeHead(200, { "content-type": "application/octet-stream" });
  await pipeline(tar.stdout, response);
}

async function unpack(guest: DoubleGuest, path: string, request: IncomingMessage, response: ServerResponse) {
  guest.requireRunning();
  const directory = guest.path(path);
  await mkdir(directory, { recursive: true });
  const tar = spawn("tar", ["--extract", "--preserve-permissions", "--no-same-owner", "--directory", directory]);
  const [said, [status]] = await Promise.all([
    text(tar.stderr),
    once(tar, "close"),
    // What it does not want any more, it says.
    pipeline(request.iterator({ destroyOnReturn: false }), tar.stdin).catch(() => tar.stdin.destroy()),
  ]);
  if (request.destroyed && !request.complete) return void response.destroy();
  if (status !== 0) throw rpcError("invalid_request", `the archive cannot be unpacked: ${said}`);
  response.writeHead(204).end();
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
