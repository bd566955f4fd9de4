import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Client,
  Code,
  ConnectError,
  type ContextValues,
  createClient,
  createContextValues,
  type Transport,
} from "@connectrpc/connect";
import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import { type EntryInfo, Filesystem, FileType } from "@warren/contracts/gen/filesystem/filesystem_pb";
import { guestError, unreachable } from "./errors.ts";
import { HOLD, type Hold } from "./held.ts";

/** Limit of a call in milliseconds; to remove a large tree takes its time. */
const CALL_LIMIT_MS = 60_000;

/** Codes of the guest agent that say something about a file. */
const CODE_OF_FILE: Partial<Record<Code, ErrorCode>> = {
  [Code.InvalidArgument]: "invalid_path",
  [Code.NotFound]: "file_not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.FailedPrecondition]: "conflict",
  [Code.ResourceExhausted]: "disk_full",
  [Code.PermissionDenied]: "file_forbidden",
  [Code.Unauthenticated]: "invalid_request",
  [Code.DataLoss]: "file_error",
};

/** What a file, a directory or a link of the guest is. */
export interface GuestEntry {
  name: string;
  path: string;
  type: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  size: number;
  /** Permission bits; those of what it leads to for a link. */
  mode: number;
  owner: string;
  group: string;
  /** Milliseconds since 1970. */
  modifiedAt: number;
  /** What a link holds; "" for all else. */
  target: string;
}

/** Which part of a list of files is wanted. */
export interface ListPart {
  /** Levels of directories. */
  depth: number;
  /** Entries at most. */
  limit: number;
  /** Path of an entry: only those behind it are wanted; "" = all. */
  after: string;
}

/** Files and directories of a guest, used with the rights of a user (undefined = the sandbox's default user). */
export class GuestFilesystem {
  readonly #transport: Transport;
  readonly #client: Client<typeof Filesystem>;
  readonly #contextValues: ContextValues;

  constructor(transport: Transport, hold?: Hold) {
    this.#transport = transport;
    this.#client = createClient(Filesystem, transport);
    this.#contextValues = createContextValues();
    if (hold) this.#contextValues.set(HOLD, hold);
  }

  /** The same, for calls whose answers are counted. */
  holding(hold: Hold): GuestFilesystem {
    return new GuestFilesystem(this.#transport, hold);
  }

  /** Entries of a directory, and whether there are more. A guest that tells more than were asked for is not believed. */
  async list(path: string, user: string | undefined, { depth, limit, after }: ListPart, signal: AbortSignal) {
    const { entries, truncated } = await this.#call(user, signal, (options) =>
      this.#client.listDir({ path, depth, limit, after }, options),
    );
    if (entries.length > limit)
      throw new WarrenError("agent_error", "the guest agent listed more than it was asked for");
    return { entries: entries.map(guestEntry), truncated };
  }

  async stat(path: string, user: string | undefined, signal: AbortSignal): Promise<GuestEntry> {
    return answered(await this.#call(user, signal, (options) => this.#client.stat({ path }, options)));
  }

  /** Makes a directory; with `parents` those above it too, and one that is there is taken for made. */
  async makeDirectory(
    path: string,
    user: string | undefined,
    parents: boolean,
    signal: AbortSignal,
  ): Promise<GuestEntry> {
    try {
      const request = { path, withoutParents: !parents };
      return answered(await this.#call(user, signal, (options) => this.#client.makeDir(request, options)));
    } catch (error) {
      const there = parents && error instanceof WarrenError && error.code === "already_exists";
      if (!there) throw error;
      return this.stat(path, user, signal);
    }
  }

  /** Removes a file or an empty directory; with `recursive` all that is there, which may be nothing. */
  async remove(path: string, user: string | undefined, recursive: boolean, signal: AbortSignal): Promise<void> {
    await this.#call(user, signal, (options) => this.#client.remove({ path, single: !recursive }, options));
  }

  /** Moves a file or a directory; without `overwrite` nothing may be at the destination. */
  async move(
    source: string,
    destination: string,
    user: string | undefined,
    overwrite: boolean,
    signal: AbortSignal,
  ): Promise<GuestEntry> {
    const request = { source, destination, keep: !overwrite };
    return answered(await this.#call(user, signal, (options) => this.#client.move(request, options)));
  }

  async #call<T>(user: string | undefined, signal: AbortSignal, make: (options: CallOptions) => Promise<T>) {
    const headers: Record<string, string> = user
      ? { authorization: `Basic ${Buffer.from(`${user}:`).toString("base64")}` }
      : {};
    try {
      return await make({ timeoutMs: CALL_LIMIT_MS, signal, headers, contextValues: this.#contextValues });
    } catch (error) {
      throw fileError(error);
    }
  }
}

interface CallOptions {
  timeoutMs: number;
  signal: AbortSignal;
  headers: Record<string, string>;
  contextValues: ContextValues;
}

function fileError(error: unknown): WarrenError {
  if (!(error instanceof ConnectError)) return guestError(error);
  if (error.code === Code.DeadlineExceeded) return unreachable(error);
  const code = CODE_OF_FILE[error.code];
  return code ? new WarrenError(code, error.rawMessage, { cause: error }) : guestError(error);
}

function answered({ entry }: { entry?: EntryInfo | undefined }): GuestEntry {
  if (!entry) throw new WarrenError("agent_error", "the guest agent did not describe the file");
  return guestEntry(entry);
}

/** An entry as the guest tells it, in bounds. */
function guestEntry(entry: EntryInfo): GuestEntry {
  return {
    name: entry.name,
    path: entry.path,
    type: typeOf(entry),
    size: Math.min(Math.max(Number(entry.size), 0), Number.MAX_SAFE_INTEGER),
    mode: entry.mode & 0o7777,
    owner: entry.owner,
    group: entry.group,
    modifiedAt: modifiedAt(entry),
    target: entry.linkText,
  };
}

/** Times that RFC 3339 can write: the years 0 to 9999. */
const FIRST_TIME_MS = Date.parse("0000-01-01T00:00:00Z");
const LAST_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");

function modifiedAt({ modifiedTime }: EntryInfo): number {
  const time = modifiedTime ? timestampMs(modifiedTime) : 0;
  return Math.min(Math.max(time, FIRST_TIME_MS), LAST_TIME_MS);
}

function typeOf({ type, symlinkTarget }: EntryInfo): GuestEntry["type"] {
  if (symlinkTarget !== undefined) return "symlink";
  if (type === FileType.FILE) return "file";
  return type === FileType.DIRECTORY ? "directory" : "other";
}
