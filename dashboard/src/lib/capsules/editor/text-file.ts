import { ApiError } from "#lib/api/api-error.ts";
import { api } from "#lib/api/client.ts";
import { parentOf } from "../files/paths.ts";
import { uploadFile } from "../files/transfer.ts";

/** Bytes of a file that is edited here. */
export const MOST_EDITED_BYTES = 1024 * 1024;

/** A file as an editor can have it: text that becomes the same bytes again. */
export interface TextFile {
  kind: "text";
  text: string;
  /** What ends its lines. With `\n`, a `\r` somewhere is a character like any other. */
  lineSeparator: "\n" | "\r\n";
  bytes: Uint8Array<ArrayBuffer>;
}

/** A file that cannot be edited here; its size, if that is known. */
export interface OtherFile {
  kind: "large" | "binary";
  size: number | undefined;
}

/** Reads the bytes of a file as text: only UTF-8 without NUL, all of which comes out again as it went in. */
export function toText(bytes: Uint8Array<ArrayBuffer>): TextFile | OtherFile {
  if (bytes.includes(0)) return { kind: "binary", size: bytes.length };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { kind: "text", text, lineSeparator: lineSeparatorOf(text), bytes };
  } catch {
    return { kind: "binary", size: bytes.length };
  }
}

/** CR LF where all lines end with it. */
function lineSeparatorOf(text: string): "\n" | "\r\n" {
  const lines = text.split("\r\n");
  return lines.length > 1 && !lines.some((line) => /[\r\n]/.test(line)) ? "\r\n" : "\n";
}

/** The text of an editor as the bytes of a file. */
export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Reads a file of a capsule, of which no more is held than can be edited. */
export async function readTextFile(
  sandboxId: string,
  path: string,
  signal?: AbortSignal,
): Promise<TextFile | OtherFile> {
  const { data, response } = await api.POST("/v1/sandboxes/{id}/files/stream/read", {
    params: { path: { id: sandboxId } },
    body: { path },
    parseAs: "stream",
    ...(signal && { signal }),
  });
  const length = response.headers.get("content-length");
  const size = length === null ? undefined : Number(length);
  const bytes = await readBounded(data as ReadableStream<Uint8Array> | null, size);
  return bytes ? toText(bytes) : { kind: "large", size };
}

/** All bytes of a body; undefined when they are more than can be edited. */
async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  size: number | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  const reader = body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    held += next.value.length;
    pieces.push(next.value as Uint8Array<ArrayBuffer>);
    if (held > MOST_EDITED_BYTES || (size ?? 0) > MOST_EDITED_BYTES) {
      await reader?.cancel();
      return undefined;
    }
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** What became of a file since it was opened. */
export type Change = "changed" | "removed";

/** How files are read and written: of a capsule, or by tests. */
export interface FileAccess {
  read(): Promise<TextFile | OtherFile>;
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** Access to a file of a capsule. What is written keeps the mode and the owner of the file that is there. */
export function accessTo(sandboxId: string, path: string): FileAccess {
  return {
    read: () => readTextFile(sandboxId, path),
    write: (bytes) => uploadFile(sandboxId, parentOf(path), new File([bytes], path.slice(path.lastIndexOf("/") + 1))),
  };
}

/**
 * Writes a file unless it has another content than when it was opened (`base`), which is what comes back then. Only a change in
 * the moment between the look and the write goes unnoticed.
 */
export async function saveUnlessChanged(
  { read, write }: FileAccess,
  base: Uint8Array,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Change | undefined> {
  const change = await read().then(
    (found): Change | undefined => (found.kind === "text" && areSame(found.bytes, base) ? undefined : "changed"),
    (error): Change => {
      if (ApiError.from(error).code === "file_not_found") return "removed";
      throw error;
    },
  );
  if (change === undefined) await write(bytes);
  return change;
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
