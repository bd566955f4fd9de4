import type { SandboxReason, SandboxReasonCode } from "@warren/contracts/rest/sandboxes";
import type { Actor } from "../callers/caller.ts";
import type { SandboxOperation } from "./sandboxes-table.ts";

const ASKED = "asked for";

/** JSON of a reason that holds from now on, as it is stored. */
export function reasonNow(code: SandboxReasonCode, message: string, by?: Pick<SandboxReason, "user_id">): string {
  return JSON.stringify({ code, message, ...by, at: new Date().toISOString() } satisfies SandboxReason);
}

/** JSON of the reason that somebody asked for it. `actor`: who, where that is known. */
export function askedBy(actor?: Actor): string {
  if (!actor || actor.type === "system") return reasonNow("requested", ASKED);
  const who = actor.type === "api_key" ? `the API key "${actor.name}"` : actor.name;
  return reasonNow("requested", `${ASKED} by ${who}`, actor.type === "user" ? { user_id: actor.id } : undefined);
}

/** JSON of why a sandbox is paused by an operation; `undefined`: by one that nobody has noted. */
export function reasonOfPause(operation: SandboxOperation | null | undefined): string {
  return operation?.reason ? JSON.stringify(operation.reason) : askedBy(operation?.actor);
}

/** Whether it is the control plane that gives a reason for a pause, so that hosts know nothing of it. */
export function isGivenHere(reason: SandboxReason | null | undefined): boolean {
  return reason?.code === "requested" || reason?.code === "usage_limit";
}

/** What is stored of a sandbox that did not start. */
export function failure(error: string): { error: string; reason: string } {
  return { error, reason: reasonNow("start_failed", `it did not start: ${error}`) };
}
