import type { ClientRequest, IncomingMessage } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import { HOST_FILES } from "@warren/contracts/host-files";
import { sendBody } from "@warren/server/send-body";
import { guestError, guestHttpError, refused, unreachable } from "./errors.ts";
import { hostLoad } from "./host-load.ts";
import { errorMessage, MAX_JSON } from "./messages.ts";
import { type Transfer, watchProgress } from "./progress.ts";
import { type GuestRequests, readWhole } from "./requests.ts";

/** What a file has besides its content. */
export interface FileAttributes {
  /** Permission bits in octal. */
  mode?: string | undefined;
  /** Time of the last change, RFC 3339. */
  modifiedAt?: string | undefined;
}

/** What is asked for with the content that a file is to have. */
export interface NewFile extends FileAttributes {
  path: string;
  /** User of the image; undefined = the sandbox's default user. */
  user: string | undefined;
  /** Name that the file gets when the path is a directory. */
  name?: string | undefined;
  /** The content is an archive, and the path that of the directory which it is unpacked into. */
  archive?: "tar" | undefined;
}

/** A file of the guest that is being read. */
export interface GuestFile extends FileAttributes {
  /** Bytes, unknown for files of /proc and the like. */
  size: number | undefined;
  content: IncomingMessage;
}

/** What is read of a guest: a file, or a directory as an archive. */
export interface ReadFile {
  path: string;
  /** User of the image; undefined = the sandbox's default user. */
  user?: string | undefined;
  archive?: "tar" | undefined;
}

/** How long a guest is waited for, in milliseconds on an idle host. */
export interface TransferLimits {
  /** Until it answers. */
  unaryMs: number;
  /** While a file that is read or written stands still, or moves by drops. */
  bodyMs: number;
}

/** Bytes of a file that have moved at least when the guest has been waited for `bodyMs`. */
const LEAST_BODY_BYTES = 128 * 1024;

/** Moves the content of files into and out of a guest. */
export class FileTransfers {
  readonly #requests: GuestRequests;
  readonly #limits: TransferLimits;

  constructor(requests: GuestRequests, limits: TransferLimits) {
    this.#requests = requests;
    this.#limits = limits;
  }

  /**
   * Opens a file of the guest, or a directory as an archive. The caller reads `content` to its end or destroys it; it breaks off when the guest sends
   * nothing for a while, or next to nothing. `isFull` tells whether it is the caller who takes no more.
   */
  async read(
    { path, user, archive }: ReadFile,
    signal?: AbortSignal,
    isFull: () => boolean = () => false,
  ): Promise<GuestFile> {
    const { request, answer } = this.#requests.open({ method: "GET", path: fileUrl(path, user, { archive }), signal });
    request.end();
    const late = setTimeout(
      () => request.destroy(unreachable(new Error("there is no answer"))),
      this.#limits.unaryMs * hostLoad(),
    );
    const response = await answer.finally(() => clearTimeout(late));
    if (response.statusCode !== 200) throw await this.#error(response, archive);
    const { socket } = response;
    const transfer = { moved: () => socket.bytesRead, waiting: () => response.readableLength === 0 && !isFull() };
    const watched = this.#watch(transfer, () => response.destroy(stalled()));
    response.once("close", watched);
    const length = response.headers["content-length"];
    return {
      size: length === undefined ? undefined : Number(length),
      mode: matching(/^[0-7]{4}$/, response.headers[HOST_FILES.headers.mode]),
      modifiedAt: matching(/^[\d:.TZ-]{20,30}$/, response.headers[HOST_FILES.headers.modifiedAt]),
      content: response,
    };
  }

  /** Writes a file of the guest from a stream, making parent directories; or unpacks an archive. */
  async write(
    { path, user, ...attributes }: NewFile,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { request, answer } = this.#requests.open({
      method: "POST",
      path: fileUrl(path, user, attributes),
      headers: { "content-type": attributes.archive ? "application/x-tar" : "application/octet-stream" },
      signal,
    });
    const transfer = {
      moved: () => request.socket?.bytesWritten ?? 0,
      waiting: () => request.writableLength > 0 || request.writableEnded,
    };
    const watched = this.#watch(transfer, () => request.destroy(stalled()));
    try {
      await this.#send(request, answer, content, attributes.archive);
    } finally {
      watched();
    }
  }

  #watch(transfer: Transfer, giveUp: () => void): () => void {
    const limits = { limitMs: this.#limits.bodyMs * hostLoad(), leastBytes: LEAST_BODY_BYTES };
    return watchProgress(transfer, limits, giveUp);
  }

  async #send(
    request: ClientRequest,
    answer: Promise<IncomingMessage>,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    archive: "tar" | undefined,
  ): Promise<void> {
    const response = await sendBody(request, answer, content).catch((error: unknown) => {
      throw guestError(error);
    });
    if (response.statusCode !== 200) throw await this.#error(response, archive);
    if (!request.writableFinished) {
      response.destroy();
      throw refused("it has a file before all of it is sent");
    }
    await readWhole(response, MAX_JSON).catch((error: unknown) => {
      throw guestError(error);
    });
  }

  /** The error of a request for a file, which has to say so in time. */
  async #error(response: IncomingMessage, archive: "tar" | undefined): Promise<WarrenError> {
    const timer = setTimeout(() => response.destroy(), this.#limits.unaryMs);
    const body = await readWhole(response, MAX_JSON)
      .catch(() => Buffer.alloc(0))
      .finally(() => clearTimeout(timer));
    const message = errorMessage(body);
    if (archive && response.statusCode === 400 && NO_ARCHIVES.test(message)) return tooOld();
    return guestHttpError(response.statusCode ?? 0, message);
  }
}

/** What guest agents that know no archives say of one that is to be unpacked, and of a directory that is to be read as one. */
const NO_ARCHIVES = /^content type "application\/x-tar" is not supported|^path '.*' is a directory$/s;

function tooOld(): WarrenError {
  return new WarrenError(
    "invalid_state",
    "this sandbox, or the template that it was made of, was begun by an earlier version of Warren, and what runs in it since " +
      "then knows no archives of directories; new sandboxes of a built-in template do",
  );
}

function stalled(): WarrenError {
  return unreachable(new Error("the content of a file hardly moves"));
}

function fileUrl(
  path: string,
  user: string | undefined,
  { mode, modifiedAt, name, archive }: Omit<NewFile & ReadFile, "path" | "user"> = {},
) {
  const query = new URLSearchParams({ path });
  const more = { username: user, mode, modified_at: modifiedAt, name, archive };
  for (const [key, value] of Object.entries(more)) if (value) query.set(key, value);
  return `/files?${query}`;
}

/** A header of the guest, or nothing when it is not of its form. */
function matching(form: RegExp, value: string | string[] | undefined): string | undefined {
  return typeof value === "string" && form.test(value) ? value : undefined;
}
