import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { relayBody } from "@warren/server/body-relay";
import { BoundedBytes } from "../../guest/bounded-bytes.ts";
import { guestError } from "../../guest/errors.ts";
import type { GuestFile, NewFile, ReadFile } from "../../guest/file-transfers.ts";
import { bodyOf } from "../../guest/requests.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** Parts of a file that is being read: first its size, if known, then its bytes. */
export type FilePart = { size: number | undefined } | { chunk: Uint8Array };

/** Writes a file of the guest, or unpacks an archive there. `content` may be of any length and is never held as a whole. */
export async function writeFile(
  sandbox: Sandbox,
  file: NewFile,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const named = { ...file, path: guestPath(file.path) };
  await sandbox.useOnce((guest, gone) => guest.files.write(named, content, gone));
}

/**
 * Reads a file of the guest, or a directory as an archive, into what `open` makes for what is known of it; resolves when all of
 * it has been taken.
 */
export async function sendFile(
  sandbox: Sandbox,
  file: ReadFile,
  open: (known: Omit<GuestFile, "content">) => Writable,
  caller: AbortSignal,
): Promise<void> {
  const named = { ...file, path: guestPath(file.path) };
  await sandbox.useOnce(async (guest, gone) => {
    let destination: Writable | undefined;
    const isFull = () => (destination?.writableLength ?? 0) > 0;
    const { content, ...known } = await guest.files.read(named, AbortSignal.any([caller, gone]), isFull);
    await begun(content);
    destination = open(known);
    // One of unknown length may be cut as the guest likes.
    if (known.size === undefined) await pipeline(bodyOf(content), destination, { end: false });
    else await relayBody(content, destination);
    destination.end();
  });
}

/**
 * Resolves when a file has begun to come, or is empty; throws when it breaks off before: whoever wants it can still be told
 * by an answer.
 */
async function begun(content: Readable): Promise<void> {
  if (content.readableLength > 0 || content.readableEnded) return;
  const over = new AbortController();
  try {
    if (content.destroyed) throw content.errored ?? new Error("the file was given up");
    await Promise.race(["readable", "end"].map((event) => once(content, event, { signal: over.signal })));
  } catch (error) {
    throw guestError(error);
  } finally {
    over.abort();
  }
}

/** Reads a file of the guest as it comes. */
export async function* streamFile(
  sandbox: Sandbox,
  path: string,
  user: string | undefined,
  caller?: AbortSignal,
): AsyncGenerator<FilePart> {
  const named = guestPath(path);
  yield* sandbox.use(async function* (guest, gone) {
    const signal = caller ? AbortSignal.any([caller, gone]) : gone;
    const { size, content } = await guest.files.read({ path: named, user }, signal);
    try {
      yield { size };
      for await (const chunk of bodyOf(content)) yield { chunk };
    } finally {
      content.destroy();
    }
  });
}

/** Reads a small file as a whole; one above the limit of a message is refused with `too_large`. */
export async function readWholeFile(
  sandbox: Sandbox,
  path: string,
  user: string | undefined,
  caller?: AbortSignal,
): Promise<Buffer> {
  const content = new BoundedBytes(LIMITS.uploadBytes);
  const held = sandbox.bounds.hold(sandbox.record);
  try {
    for await (const part of streamFile(sandbox, path, user, caller)) {
      if (!("chunk" in part)) continue;
      held.add(part.chunk.length);
      if (content.add(part.chunk) < part.chunk.length) {
        throw new WarrenError("too_large", `${path} is larger than ${LIMITS.uploadBytes} bytes; read it as a stream`);
      }
    }
    return content.whole();
  } finally {
    held.release();
  }
}

/** A path as the guest is given it: "" is the user's home, where relative ones start. Throws when no file can have it. */
export function guestPath(path: string): string {
  if (path.includes("\0")) throw new WarrenError("invalid_path", "path holds a zero byte");
  if (Buffer.byteLength(path) > LIMITS.pathBytes) {
    throw new WarrenError("invalid_path", `path is longer than ${LIMITS.pathBytes} bytes`);
  }
  return path === "" ? "." : path;
}
