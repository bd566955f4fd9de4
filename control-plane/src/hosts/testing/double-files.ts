import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import type {
  ReadFileRequest,
  StreamReadFileRequest,
  StreamWriteFileRequest,
  WriteFileRequest,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { rpcError } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";

/** Bytes of one chunk of a file. */
const CHUNK = 256 * 1024;

/** Files of the guest's directory. */
export function fileHandlers(guestOf: (sandboxId: string) => DoubleGuest) {
  return {
    async writeFile(request: WriteFileRequest) {
      await replace(guestOf(request.sandboxId), request.path, [request.content]);
      return {};
    },

    async readFile(request: ReadFileRequest) {
      const file = await openFile(guestOf(request.sandboxId), request.path);
      try {
        return { content: await file.readFile() };
      } finally {
        await file.close();
      }
    },

    async streamWriteFile(requests: AsyncIterable<StreamWriteFileRequest>) {
      const input = requests[Symbol.asyncIterator]();
      const first = (await input.next()).value as StreamWriteFileRequest | undefined;
      if (first?.message.case !== "meta") throw rpcError("invalid_request", "the first message must be meta");
      const { sandboxId, path } = first.message.value;
      return { size: BigInt(await replace(guestOf(sandboxId), path, chunks(input))) };
    },

    async *streamReadFile(request: StreamReadFileRequest) {
      const file = await openFile(guestOf(request.sandboxId), request.path);
      try {
        const { size } = await file.stat();
        yield { message: { case: "meta" as const, value: { size: BigInt(size) } } };
        for (;;) {
          const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(CHUNK));
          if (bytesRead === 0) return;
          yield { message: { case: "chunk" as const, value: buffer.subarray(0, bytesRead) as Uint8Array } };
        }
      } finally {
        await file.close();
      }
    },
  };
}

async function* chunks(input: AsyncIterator<StreamWriteFileRequest>): AsyncIterable<Uint8Array> {
  for (let next = await input.next(); !next.done; next = await input.next()) {
    const { message } = next.value;
    if (message.case === "end") return;
    if (message.case === "chunk") yield message.value;
  }
  throw rpcError("invalid_request", "the upload stopped without its end");
}

/** Writes beside the file and renames, so that a call that breaks leaves what was there. */
async function replace(
  guest: DoubleGuest,
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  guest.requireRunning();
  const target = guest.path(path);
  const temporary = `${target}.${randomUUID()}`;
  let size = 0;
  try {
    const file = await open(temporary, "wx");
    try {
      for await (const chunk of content) {
        await file.writeFile(chunk);
        size += chunk.length;
      }
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return size;
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
