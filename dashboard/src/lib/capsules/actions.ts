import { ApiError } from "#lib/api/api-error.ts";
import { answer, api } from "#lib/api/client.ts";
import { type Capsule, capsuleName } from "./capsule.ts";
import { inTurn } from "./in-turn.ts";

const of = ({ id }: Capsule) => ({ params: { path: { id } } });

export const pauseCapsule = (capsule: Capsule) => answer(api.POST("/v1/sandboxes/{id}/pause", of(capsule)));

export const resumeCapsule = (capsule: Capsule) =>
  answer(api.POST("/v1/sandboxes/{id}/resume", { ...of(capsule), body: {} }));

export const destroyCapsule = (capsule: Capsule) => api.DELETE("/v1/sandboxes/{id}", of(capsule));

/** Makes a snapshot of a capsule. Without a name the server gives it one. */
export function snapshotCapsule({ id }: Capsule, name: string, overwrite: boolean) {
  const body = { sandbox_id: id, ...(name === "" ? {} : { name }) };
  return answer(api.POST("/v1/snapshots", { body, ...(overwrite ? { params: { query: { overwrite } } } : {}) }));
}

/** Copies a running capsule. Gives the copies, and why there are fewer than were asked for, if there are. */
export async function forkCapsule(
  capsule: Capsule,
  count: number,
): Promise<{ copies: Capsule[]; failure: string | undefined }> {
  const results = await answer(api.POST("/v1/sandboxes/{id}/fork", { ...of(capsule), body: { count } }));
  const copies = results.flatMap((result) => ("sandbox" in result ? [result.sandbox] : []));
  const failure = results.find((result) => "error" in result);
  return { copies, failure: failure?.error.message };
}

/**
 * Does something to each of some capsules. Throws one error that names those it failed for.
 */
export async function actOnAll(
  capsules: readonly Capsule[],
  act: (capsule: Capsule) => Promise<unknown>,
): Promise<void> {
  const failures = await inTurn(capsules, act);
  const [first] = failures;
  if (!first) return;
  const [capsule, caught] = first;
  const error = ApiError.from(caught);
  if (capsules.length === 1) throw error;
  const others = failures.size === 1 ? "" : `, and ${failures.size - 1} more did not go either`;
  throw new ApiError(error.code, `${capsuleName(capsule)}: ${error.message.replace(/\.$/, "")}${others}.`, {
    status: error.status,
    ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
  });
}
