import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import type { FileEntry as HostFileEntry } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type {
  FileEntry,
  FileList,
  ListFiles,
  MakeDirectory,
  MoveFile,
  ReadFile,
  RemoveFile,
  StatFile,
  UnpackQuery,
} from "@warren/contracts/rest/files";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import type { Caller } from "../callers/caller.ts";
import { momentOf, textOfHostTime } from "../date-time.ts";
import type { HostAgent } from "../hosts/host-client.ts";
import type { HostFileContent, NewHostFile, UnpackOnHost } from "../hosts/host-files.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import type { Upload } from "./upload.ts";

/** Codes of removals that have removed nothing. */
const REFUSED: ErrorCode[] = ["invalid_request", "not_found", "file_not_found"];

/** Files of sandboxes: moves them in and out as they come, lists and changes directories. */
export class FileService {
  readonly #access: SandboxAccess;
  readonly #audit: SandboxEvents;

  constructor(access: SandboxAccess, audit: SandboxEvents) {
    this.#access = access;
    this.#audit = audit;
  }

  /** Writes a file; it is there in full when this resolves. */
  async write(
    caller: Caller,
    sandboxId: string,
    { fields, name, content }: Upload,
    signal: AbortSignal,
  ): Promise<void> {
    const { modified_at, ...rest } = fields;
    const file = { sandboxId, ...rest, name, modifiedAt: modified_at && momentOf(modified_at).toISOString() };
    const sent = new SentContent(content);
    await this.#send(caller, sandboxId, file, sent, signal);
    const { path } = fields;
    await this.#audit.fileWritten(caller, sandboxId, { path, ...(name !== undefined && { name }), bytes: sent.bytes });
  }

  /** Unpacks a tar archive into a directory; all of it is there when this resolves. Of one that fails, a part may be. */
  async unpack(
    caller: Caller,
    sandboxId: string,
    { path, user }: UnpackQuery,
    archive: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const sent = new SentContent(archive);
    try {
      await this.#send(caller, sandboxId, { sandboxId, path, user, archive: "tar" }, sent, signal);
    } catch (error) {
      const { bytes } = sent;
      if (bytes > 0) {
        const { message } = error as Error;
        await this.#audit.archiveUnpacked(caller, sandboxId, { path, user, bytes, error: message });
      }
      throw error;
    }
    await this.#audit.archiveUnpacked(caller, sandboxId, { path, user, bytes: sent.bytes });
  }

  async #send(
    caller: Caller,
    sandboxId: string,
    file: NewHostFile | UnpackOnHost,
    content: SentContent,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#access.use(caller, sandboxId, ({ files }) => files.write(file, content.chunks(), signal));
    } catch (error) {
      // A fault of the upload itself is none of the host's.
      throw content.failure ? content.failure.error : error;
    }
  }

  /** Reads a file, or a directory as an archive; `pass` gets it once it is known to be readable, and resolves when all of it has been taken. */
  async read(
    caller: Caller,
    sandboxId: string,
    request: ReadFile & { archive?: "tar" },
    signal: AbortSignal,
    pass: (file: HostFileContent) => Promise<void>,
  ): Promise<void> {
    await this.#access.use(caller, sandboxId, async ({ files }) => {
      await pass(await files.read({ sandboxId, ...request }, signal));
    });
  }

  /** Entries of a directory, as many as one answer holds. */
  async list(caller: Caller, sandboxId: string, request: ListFiles): Promise<FileList> {
    const { entries, truncated } = await this.#call(caller, sandboxId, (agent) =>
      agent.listFiles({
        sandboxId,
        depth: LIMITS.listDepth.min,
        limit: LIMITS.listEntries.max,
        ...request,
      }),
    );
    const last = entries.at(-1);
    return { entries: entries.map(toFileEntry), ...(truncated && last ? { next: last.path } : {}) };
  }

  async stat(caller: Caller, sandboxId: string, request: StatFile): Promise<FileEntry> {
    return described(await this.#call(caller, sandboxId, (agent) => agent.statFile({ sandboxId, ...request })));
  }

  async makeDirectory(caller: Caller, sandboxId: string, request: MakeDirectory): Promise<FileEntry> {
    const made = described(
      await this.#call(caller, sandboxId, (agent) => agent.makeDirectory({ sandboxId, ...request })),
    );
    await this.#audit.directoryMade(caller, sandboxId, { path: made.path, user: request.user });
    return made;
  }

  async remove(caller: Caller, sandboxId: string, request: RemoveFile): Promise<void> {
    const { path, user, recursive } = request;
    const about = { path, user, ...(recursive && { recursive }) };
    let isCalled = false;
    try {
      await this.#call(caller, sandboxId, (agent) => {
        isCalled = true;
        return agent.removeFile({ sandboxId, ...request });
      });
    } catch (error) {
      // What could be removed of a directory has gone.
      const { code, message } = error as WarrenError;
      if (isCalled && recursive && !REFUSED.includes(code)) {
        await this.#audit.fileRemoved(caller, sandboxId, { ...about, error: message });
      }
      throw error;
    }
    await this.#audit.fileRemoved(caller, sandboxId, about);
  }

  async move(caller: Caller, sandboxId: string, request: MoveFile): Promise<FileEntry> {
    const moved = described(await this.#call(caller, sandboxId, (agent) => agent.moveFile({ sandboxId, ...request })));
    const { path: source, user } = request;
    await this.#audit.fileMoved(caller, sandboxId, { source, destination: moved.path, user });
    return moved;
  }

  #call<T>(caller: Caller, sandboxId: string, call: (agent: HostAgent) => Promise<T>): Promise<T> {
    return this.#access.use(caller, sandboxId, ({ agent }) => call(agent));
  }
}

/** Content on its way to a host: how much of it there was, and why it broke off. */
class SentContent {
  readonly #content: AsyncIterable<Uint8Array>;
  bytes = 0;
  failure: { error: unknown } | undefined;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#content) {
        this.bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

function described({ entry }: { entry?: HostFileEntry | undefined }): FileEntry {
  if (!entry) throw new WarrenError("agent_error", "the sandbox's host did not describe the file");
  return toFileEntry(entry);
}

function toFileEntry({
  name,
  path,
  type,
  size,
  mode,
  owner,
  group,
  modifiedAtUnixMs,
  target,
}: HostFileEntry): FileEntry {
  return {
    name,
    path,
    type: type as FileEntry["type"],
    size: Number(size),
    mode: mode.toString(8).padStart(4, "0"),
    owner,
    group,
    modified_at: textOfHostTime(modifiedAtUnixMs),
    ...(type === "symlink" ? { target } : {}),
  };
}
