import type { MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type { StreamWriteFileRequestSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { ReadFile } from "@warren/contracts/rest/files";
import type { Caller } from "../auth/caller.ts";
import { fromRpcError } from "../hosts/rpc-errors.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { coalesce } from "./coalesce.ts";
import type { Upload } from "./upload.ts";

/** A file on its way out. */
export interface Download {
  /** Bytes, when known beforehand. */
  size: number | undefined;
  content: AsyncIterable<Uint8Array>;
}

/** Moves files in and out of sandboxes, in chunks. */
export class FileService {
  readonly #access: SandboxAccess;

  constructor(access: SandboxAccess) {
    this.#access = access;
  }

  /** Writes a file; it is there in full when this resolves. */
  async write(caller: Caller, sandboxId: string, { fields, content }: Upload, signal: AbortSignal): Promise<void> {
    let failure: { error: unknown } | undefined;
    async function* messages(): AsyncGenerator<MessageInitShape<typeof StreamWriteFileRequestSchema>> {
      yield { message: { case: "meta", value: { sandboxId, path: fields.path, user: fields.user ?? "" } } };
      try {
        for await (const value of coalesce(content)) yield { message: { case: "chunk", value } };
        yield { message: { case: "end", value: {} } };
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    try {
      await this.#access.use(caller, sandboxId, (agent) => agent.streamWriteFile(messages(), { signal }));
    } catch (error) {
      // A fault of the upload itself breaks the call to the host, whose error then says less.
      throw failure ? failure.error : error;
    }
  }

  /** Reads a file; `pass` gets it once it is known to be readable, and resolves when all of it has been taken. */
  async read(
    caller: Caller,
    sandboxId: string,
    request: ReadFile,
    pass: (file: Download) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    try {
      await this.#access.use(caller, sandboxId, async (agent) => {
        const wanted = { sandboxId, path: request.path, user: request.user ?? "" };
        const responses = agent.streamReadFile(wanted, { signal: abort.signal })[Symbol.asyncIterator]();
        const first = await responses.next();
        if (first.done || first.value.message.case !== "meta") {
          throw new WarrenError("agent_error", "the sandbox's host sent no file");
        }
        const { size } = first.value.message.value;
        await pass({ size: size === undefined ? undefined : Number(size), content: chunks(responses) });
      });
    } finally {
      abort.abort();
    }
  }
}

async function* chunks(
  responses: AsyncIterator<{ message: { case: string | undefined; value?: unknown } }>,
): AsyncIterable<Uint8Array> {
  try {
    for (let next = await responses.next(); !next.done; next = await responses.next()) {
      const { message } = next.value;
      if (message.case === "chunk") yield message.value as Uint8Array;
    }
  } catch (error) {
    throw fromRpcError(error);
  }
}
