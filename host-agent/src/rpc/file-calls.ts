import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import type { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type { GuestEntry, GuestFilesystem } from "../guest/filesystem.ts";
import { guestPath } from "../sandboxes/calls/files.ts";
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
    action: (files: GuestFilesystem, path: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const named = guestPath(path);
    const sandbox = await sandboxes.awake(sandboxId);
    const held = sandbox.bounds.hold(sandbox.record);
    try {
      return await sandbox.useOnce((guest, gone) =>
        action(guest.filesystem.holding(held.add), named, AbortSignal.any([signal, gone])),
      );
    } finally {
      held.release();
    }
  }
  return {
    listFiles(request, context) {
      const part = {
        depth: within("depth", request.depth, LIMITS.listDepth),
        limit: within("limit", request.limit, LIMITS.listEntries),
        after: request.after,
      };
      return use(request, context, async (files, path, signal) => {
        const { entries, truncated } = await files.list(path, request.user || undefined, part, signal);
        return { entries: entries.map(fileEntry), truncated };
      });
    },
    statFile: (request, context) =>
      use(request, context, async (files, path, signal) => ({
        entry: fileEntry(await files.stat(path, request.user || undefined, signal)),
      })),
    makeDirectory: (request, context) =>
      use(request, context, async (files, path, signal) => ({
        entry: fileEntry(await files.makeDirectory(path, request.user || undefined, request.parents, signal)),
      })),
    removeFile(request, context) {
      requireNamed(request.path);
      return use(request, context, async (files, path, signal) => {
        await files.remove(path, request.user || undefined, request.recursive, signal);
        return {};
      });
    },
    moveFile(request, context) {
      const { user, overwrite } = request;
      requireNamed(request.path);
      const destination = guestPath(request.destination);
      return use(request, context, async (files, path, signal) => ({
        entry: fileEntry(await files.move(path, destination, user || undefined, overwrite, signal)),
      }));
    },
  };
}

/** Refuses to take a home from its place for want of a path. */
function requireNamed(path: string): void {
  if (path === "") throw new WarrenError("invalid_path", "path is empty");
}

function fileEntry({ size, modifiedAt, ...entry }: GuestEntry) {
  return { ...entry, size: BigInt(size), modifiedAtUnixMs: BigInt(modifiedAt) };
}
