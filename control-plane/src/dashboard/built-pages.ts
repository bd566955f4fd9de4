import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { contentTypeOf } from "./content-types.ts";
import { accepts, ENCODINGS, type Encoding } from "./encodings.ts";

/** Most bytes of all files of one build that are kept in memory; a build has a few MiB. */
const MOST_BYTES = 64 * 1024 * 1024;

/** A file as one client gets it. */
export interface ServedFile {
  type: string;
  /** Absent = as it is. */
  encoding?: Encoding;
  content: Buffer;
  /** Strong validator of the content in this encoding. */
  etag: string;
}

/**
 * The files of one build, by their paths below its directory. Only what is in the directory when it is opened can be asked
 * for, by exactly that path: nothing that a client sends becomes part of a file's name.
 */
export class BuiltPages {
  /** Content by path; compressed forms have the paths of their files. */
  readonly #files: ReadonlyMap<string, Buffer>;
  readonly #etags = new Map<string, string>();

  private constructor(files: ReadonlyMap<string, Buffer>) {
    this.#files = files;
  }

  /** Reads a build. Links and whatever else is no regular file are left out. */
  static async open(directory: string): Promise<BuiltPages> {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = new Map<string, Buffer>();
    let bytes = 0;
    for (const entry of entries.filter((found) => found.isFile())) {
      const file = join(entry.parentPath, entry.name);
      const content = await readFile(file);
      bytes += content.length;
      if (bytes > MOST_BYTES)
        throw new Error(`${directory} has more than ${MOST_BYTES} bytes: it is no build of the pages`);
      files.set(file.slice(directory.length + 1), content);
    }
    return new BuiltPages(files);
  }

  get paths(): string[] {
    return [...this.#files.keys()];
  }

  /** Text of a file; throws when the build has none of this path. */
  text(path: string): string {
    const content = this.#files.get(path);
    if (!content) throw new Error(`the build of the pages has no ${path}`);
    return content.toString("utf8");
  }

  /** A file in the smallest form that the client takes; undefined when there is none of this path. */
  find(path: string, acceptEncoding: string | undefined): ServedFile | undefined {
    const plain = this.#files.get(path);
    if (!plain) return undefined;
    const type = contentTypeOf(path);
    for (const { name, suffix } of ENCODINGS) {
      const content = this.#files.get(path + suffix);
      if (content && accepts(acceptEncoding, name)) {
        return { type, encoding: name, content, etag: this.#etag(path + suffix, content) };
      }
    }
    return { type, content: plain, etag: this.#etag(path, plain) };
  }

  #etag(path: string, content: Buffer): string {
    let etag = this.#etags.get(path);
    if (etag === undefined) {
      etag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 27)}"`;
      this.#etags.set(path, etag);
    }
    return etag;
  }
}
