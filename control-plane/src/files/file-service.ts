import type { ReadFile } from "@warren/contracts/rest/files";
import type { Caller } from "../auth/caller.ts";
import type { HostFileContent } from "../hosts/host-files.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import type { Upload } from "./upload.ts";

/** Moves files in and out of sandboxes, as they come. */
export class FileService {
  readonly #access: SandboxAccess;

  constructor(access: SandboxAccess) {
    this.#access = access;
  }

  /** Writes a file; it is there in full when this resolves. */
  async write(caller: Caller, sandboxId: string, { fields, content }: Upload, signal: AbortSignal): Promise<void> {
    let failure: { error: unknown } | undefined;
    async function* recorded() {
      try {
        yield* content;
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    try {
      await this.#access.use(caller, sandboxId, ({ files }) =>
        files.write({ sandboxId, ...fields }, recorded(), signal),
      );
    } catch (error) {
      // A fault of the upload itself is none of the host's.
      throw failure ? failure.error : error;
    }
  }

  /** Reads a file; `pass` gets it once it is known to be readable, and resolves when all of it has been taken. */
  async read(
    caller: Caller,
    sandboxId: string,
    request: ReadFile,
    signal: AbortSignal,
    pass: (file: HostFileContent) => Promise<void>,
  ): Promise<void> {
    await this.#access.use(caller, sandboxId, async ({ files }) => {
      await pass(await files.read({ sandboxId, ...request }, signal));
    });
  }
}
