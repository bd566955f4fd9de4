import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type { GuestEntry, GuestFilesystem } from "../guest/filesystem.ts";
import { requirePath } from "../sandboxes/files.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import { within } from "./bounds.ts";

type FileCalls = "listFiles" | "statFile" | "makeDirectory" | "removeFile" | "moveFile";

/** The calls of the `hostagent` service that see to files and directories of a sandbox. */
export function fileCalls(
  sandboxes: Pick<SandboxService, "awake">,
): Pick<ServiceImpl<typeof HostAgentService>, FileCalls> {
  /** Gives the files of a sandbox to one call, whose signal aborts when the microVM or the caller goes. */
  async function use<T>(
    { sandboxId, path }: { sandboxId: string; path: string },
    { signal }: HandlerContext,
    action: (files: GuestFilesystem, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    requirePath(path);
    const sandbox = await sandboxes.awake(sandboxId);
    return sandbox.useOnce((guest, gone) => action(guest.filesystem, AbortSignal.any([signal, gone])));
  }
  return {
    listFiles(request, context) {
      const part = {
        depth: within("depth", request.depth, LIMITS.listDepth),
        limit: within("limit", request.limit, LIMITS.listEntries),
        after: request.after,
      };
      return use(request, context, async (files, signal) => {
        const { entries, truncated } = await files.list(request.path, request.user || undefined, part, signal);
        return { entries: entries.map(fileEntry), truncated };
      });
    },
    statFile: (request, context) =>
      use(request, context, async (files, signal) => ({
        entry: fileEntry(await files.stat(request.path, request.user || undefined, signal)),
      })),
    makeDirectory: (request, context) =>
      use(request, context, async (files, signal) => ({
        entry: fileEntry(await files.makeDirectory(request.path, request.user || undefined, request.parents, signal)),
      })),
    removeFile: (request, context) =>
      use(request, context, async (files, signal) => {
        await files.remove(request.path, request.user || undefined, request.recursive, signal);
        return {};
      }),
    moveFile(request, context) {
      const { path, destination, user, overwrite } = request;
      requirePath(destination);
      return use(request, context, async (files, signal) => ({
        entry: fileEntry(await files.move(path, destination, user || undefined, overwrite, signal)),
      }));
    },
  };
}

function fileEntry({ size, modifiedAt, ...entry }: GuestEntry) {
  return { ...entry, size: BigInt(size), modifiedAtUnixMs: BigInt(modifiedAt) };
}
