import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { HOST_FILES } from "@warren/contracts/host-files";
import type {
  FileEntry as EntryFields,
  FileList,
  ListFiles,
  MakeDirectory,
  MoveFile,
  ReadFile,
  RemoveFile,
  StatFile,
  WriteFileFields,
} from "@warren/contracts/rest/files";
import { type Content, chunksOf, lengthOf, multipartBody } from "./multipart.ts";
import { packDirectory } from "./pack-directory.ts";
import { followed, following, type OnProgress } from "./progress.ts";
import type { Transport } from "./transport.ts";

/** How files are used. */
export interface FileOptions {
  /** User whose rights are used, and whose home relative paths start at; default: the user of the sandbox. */
  user?: string;
  signal?: AbortSignal;
}

/** How content is moved. */
export interface TransferOptions extends FileOptions {
  onProgress?: OnProgress;
}

/** How a file is written. */
export interface WriteOptions extends TransferOptions {
  /** Permission bits, such as 0o755; default: those of the file that is replaced, or 0o644. */
  mode?: number;
  /** Time of the last change; default: now. */
  modifiedAt?: Date;
  /** Name that the file gets when the path is a directory or ends with a slash. */
  name?: string;
}

/** A file that is being read. */
export interface OpenFile {
  /** To be read to its end or destroyed. */
  content: Readable;
  /** Bytes, when known beforehand. */
  size?: number;
  /** Permission bits. */
  mode?: number;
  modifiedAt?: Date;
}

/** A file, a directory or a link. */
export interface FileEntry {
  name: string;
  /** Absolute path. */
  path: string;
  type: EntryFields["type"];
  /** Bytes. */
  size: number;
  /** Permission bits, such as 0o1777 with the sticky bit; for a link those of what it leads to. */
  mode: number;
  owner: string;
  group: string;
  modifiedAt: Date;
  /** What a link holds. */
  target?: string;
}

/** The files of a sandbox. */
export class Files {
  readonly #transport: Transport;
  readonly #path: string;

  /** `path` is that of the sandbox in the API. */
  constructor(transport: Transport, path: string) {
    this.#transport = transport;
    this.#path = `${path}/files`;
  }

  /**
   * Writes a file from bytes or from a stream of any length. `size` is its number of bytes, when it is known beforehand.
   * The file has its new content when this resolves; when it fails, nothing has changed.
   */
  async write(path: string, content: Content, options: WriteOptions & { size?: number } = {}): Promise<void> {
    const { user, mode, modifiedAt, name, size, signal, onProgress } = options;
    const fields: WriteFileFields = {
      path,
      ...(name === undefined ? {} : { name }),
      ...(user === undefined ? {} : { user }),
      ...(mode === undefined ? {} : { mode: mode.toString(8).padStart(4, "0") }),
      ...(modifiedAt === undefined ? {} : { modified_at: modifiedAt.toISOString() }),
    };
    const body = multipartBody(fields, following(chunksOf(content), onProgress), lengthOf(content) ?? size);
    await this.#transport.json({ method: "POST", path: `${this.#path}/stream/write`, body, signal });
  }

  /** Opens a file for reading. */
  async open(path: string, options: TransferOptions = {}): Promise<OpenFile> {
    const json: ReadFile = withUser(path, options);
    const response = await this.#transport.open({
      method: "POST",
      path: `${this.#path}/stream/read`,
      json,
      safe: true,
      signal: options.signal,
    });
    return openFile(response, options.onProgress);
  }

  /**
   * Opens a directory as a tar archive (pax), which is made while it is read: with modes, times and links, under the name of the
   * directory. What the user may not read is left out and named by a last member `NAME.left-out.txt`.
   */
  async openArchive(path: string, options: TransferOptions = {}): Promise<Readable> {
    const { signal } = options;
    const url = `${this.#path}/archive?${queryOf(path, options)}`;
    const response = await this.#transport.open({ method: "GET", path: url, safe: true, signal });
    return followed(response, options.onProgress);
  }

  /**
   * Unpacks a tar archive, not compressed and of any length, into a directory, which is made when it is missing. What is there and
   * not in the archive stays. When this rejects, what came before in the archive may be there.
   */
  async writeArchive(path: string, archive: Content, options: TransferOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    const body = {
      contentType: "application/x-tar",
      length: undefined,
      stream: () => following(chunksOf(archive), onProgress),
    };
    const url = `${this.#path}/archive?${queryOf(path, options)}`;
    await this.#transport.json({ method: "PUT", path: url, body, signal });
  }

  /**
   * Copies a local directory, with modes, times and links, to a path of the sandbox; what is there already and not in it stays.
   * `onProgress` hears of the bytes of its archive. What is neither file, directory nor link is left out.
   */
  async uploadDirectory(local: string, path: string, options: TransferOptions = {}): Promise<void> {
    const archive = await packDirectory(local);
    try {
      await this.writeArchive(path, archive, options);
    } finally {
      archive.destroy();
    }
  }

  /** Address at which programs and signed-in browsers download a file, or with `archive` a directory as a tar archive. */
  downloadUrl(path: string, options: { user?: string; archive?: boolean } = {}): URL {
    const route = options.archive ? "archive" : "download";
    return this.#transport.urlOf(`${this.#path}/${route}?${queryOf(path, options)}`);
  }

  /** Reads a file whole into memory. */
  async read(path: string, options: TransferOptions = {}): Promise<Buffer> {
    const chunks: Buffer[] = [];
    const { content } = await this.open(path, options);
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /**
   * Lists a directory entry by entry, each directory right before its content, in the order of the bytes of their names.
   * `depth` is how many levels are listed (default 1). Links are not followed.
   */
  async *list(path: string, options: FileOptions & { depth?: number } = {}): AsyncGenerator<FileEntry> {
    let json: ListFiles | undefined = {
      ...withUser(path, options),
      ...(options.depth === undefined ? {} : { depth: options.depth }),
    };
    while (json) {
      const { entries, next }: FileList = await this.#call("list", json, { ...options, safe: true });
      yield* entries.map(fileEntry);
      json = next === undefined ? undefined : { ...json, after: next };
    }
  }

  /** Describes a file, a directory or a link. */
  async stat(path: string, options: FileOptions = {}): Promise<FileEntry> {
    return fileEntry(await this.#call("stat", withUser(path, options) satisfies StatFile, { ...options, safe: true }));
  }

  /** Makes a directory; with `parents` those above it too, and one that is there is taken for made. */
  async mkdir(path: string, options: FileOptions & { parents?: boolean } = {}): Promise<FileEntry> {
    const json: MakeDirectory = { ...withUser(path, options), parents: options.parents ?? false };
    return fileEntry(await this.#call("mkdir", json, options));
  }

  /** Removes a file or an empty directory; with `recursive` all that is there, which may be nothing. */
  async remove(path: string, options: FileOptions & { recursive?: boolean } = {}): Promise<void> {
    const json: RemoveFile = { ...withUser(path, options), recursive: options.recursive ?? false };
    await this.#call("remove", json, options);
  }

  /** Moves or renames a file or a directory. A destination that is a directory means into it. */
  async move(
    path: string,
    destination: string,
    options: FileOptions & { overwrite?: boolean } = {},
  ): Promise<FileEntry> {
    const json: MoveFile = { ...withUser(path, options), destination, overwrite: options.overwrite ?? false };
    return fileEntry(await this.#call("move", json, options));
  }

  #call<T>(
    route: string,
    json: object,
    { signal, safe = false }: { signal?: AbortSignal; safe?: boolean },
  ): Promise<T> {
    return this.#transport.json<T>({ method: "POST", path: `${this.#path}/${route}`, json, safe, signal });
  }
}

function openFile(response: IncomingMessage, onProgress: OnProgress | undefined): OpenFile {
  const { headers } = HOST_FILES;
  const [size, mode, modifiedAt] = ["content-length", headers.mode, headers.modifiedAt].map((name) => {
    const value = response.headers[name];
    return typeof value === "string" ? value : undefined;
  });
  return {
    content: followed(response, onProgress),
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(modifiedAt === undefined ? {} : { modifiedAt: new Date(modifiedAt) }),
  };
}

function queryOf(path: string, options: FileOptions): URLSearchParams {
  return new URLSearchParams(withUser(path, options));
}

function withUser(path: string, { user }: FileOptions): StatFile {
  return { path, ...(user === undefined ? {} : { user }) };
}

function fileEntry({ mode, modified_at, ...entry }: EntryFields): FileEntry {
  return { ...entry, mode: Number.parseInt(mode, 8), modifiedAt: new Date(modified_at) };
}
