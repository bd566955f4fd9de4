import { answer, api, type Schemas } from "#lib/api/client.ts";
import { withKeys } from "./names.ts";
import { compareEntries } from "./paths.ts";

/** An entry of a directory, with a key that no other has. */
export type Entry = Schemas["FileEntry"] & { key: string };

/** What is shown of a directory. */
export interface Directory {
  path: string;
  entries: Entry[];
  /** Whether it has more entries than are shown. */
  isCut: boolean;
}

/** Entries that are shown of one directory, and that one answer has at most. */
export const MOST_ENTRIES = 1000;
const PAGE = 200;

/** Reads a directory of a capsule; an empty path is the home of its user. */
export async function readDirectory(sandboxId: string, path: string, signal: AbortSignal): Promise<Directory> {
  const params = { path: { id: sandboxId } };
  const here = await answer(api.POST("/v1/sandboxes/{id}/files/stat", { params, signal, body: { path } }));
  const found: Schemas["FileEntry"][] = [];
  let after: string | undefined;
  do {
    const body = { path: here.path, limit: PAGE, ...(after !== undefined && { after }) };
    const read = await answer(api.POST("/v1/sandboxes/{id}/files/list", { params, signal, body }));
    found.push(...read.entries);
    after = read.next;
  } while (after !== undefined && found.length < MOST_ENTRIES);
  return { path: here.path, entries: withKeys(found.toSorted(compareEntries)), isCut: after !== undefined };
}

/** Makes a directory, and with `parents` those above it. */
export async function makeDirectory(sandboxId: string, path: string, parents = false): Promise<void> {
  const params = { path: { id: sandboxId } };
  await answer(api.POST("/v1/sandboxes/{id}/files/mkdir", { params, body: { path, parents } }));
}

/** Moves or renames what is at a path; the new path comes back. */
export async function moveEntry(
  sandboxId: string,
  path: string,
  destination: string,
  overwrite: boolean,
): Promise<string> {
  const params = { path: { id: sandboxId } };
  const body = { path, destination, overwrite };
  return (await answer(api.POST("/v1/sandboxes/{id}/files/move", { params, body }))).path;
}

/** Removes a file, or a directory with all that is in it. */
export async function removeEntry(sandboxId: string, { path, type }: Pick<Entry, "path" | "type">): Promise<void> {
  const params = { path: { id: sandboxId } };
  await answer(
    api.POST("/v1/sandboxes/{id}/files/remove", { params, body: { path, recursive: type === "directory" } }),
  );
}
