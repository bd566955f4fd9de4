import { SANDBOX_ID } from "@warren/contracts/identifiers";
import { type Sandbox, type Warren, WarrenError } from "@warren/sdk";

/** The sandbox that a user means by its id or its name; throws `not_found`, and of a name whose sandbox has ended, why. */
export async function findSandbox({ sandboxes }: Warren, idOrName: string, signal?: AbortSignal): Promise<Sandbox> {
  if (SANDBOX_ID.test(idOrName)) return sandboxes.get(idOrName, signal);
  const called = { name: idOrName, ...(signal ? { signal } : {}) };
  const [sandbox] = await sandboxes.list(called);
  if (sandbox) return sandbox;
  const [last] = await sandboxes.list({ ...called, ended: true });
  if (!last) throw new WarrenError("not_found", `There is no such sandbox: ${idOrName}`);
  const { id, reason } = last.fields;
  const why =
    reason?.code === "requested" ? `it was destroyed, ${reason.message}` : (reason?.message ?? "it was destroyed");
  throw new WarrenError("invalid_state", `The sandbox ${idOrName} (${id}) has ended: ${why}`);
}
