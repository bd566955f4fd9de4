import { SANDBOX_ID } from "@warren/contracts/identifiers";
import type { Sandbox, Warren } from "@warren/sdk";

/** The sandbox that a user means by its id or its name; throws `not_found`. */
export function findSandbox({ sandboxes }: Warren, idOrName: string, signal?: AbortSignal): Promise<Sandbox> {
  return SANDBOX_ID.test(idOrName) ? sandboxes.get(idOrName, signal) : sandboxes.byName(idOrName, signal);
}
