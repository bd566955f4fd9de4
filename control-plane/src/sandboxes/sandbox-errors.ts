import { WarrenError } from "@warren/contracts/errors";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import type { SandboxLocation } from "./sandbox-store.ts";

/** The status of a sandbox, and why it has it when its user did not ask for that. */
type StatusAndReason = Pick<SandboxLocation, "status" | "reason">;

/**
 * The error for a sandbox that is not in a state that a call needs, and why it is not. One that is over is still a sandbox,
 * not none.
 */
export function wrongState({ status, reason }: StatusAndReason, needed: SandboxStatus[]): WarrenError {
  if (status === "missing") {
    return new WarrenError(
      "host_unavailable",
      "the sandbox is missing: its host does not answer; it is back when its host is",
    );
  }
  const isResumed = status === "paused" && needed.includes("running");
  // A resume would be refused as well: its words say from when on it is not, and who can change that.
  if (isResumed && reason?.code === "usage_limit") {
    return new WarrenError("invalid_state", `the sandbox is paused, since ${reason.message}; then resume it`);
  }
  const why = reason && reason.code !== "requested" ? ` (${reason.message})` : "";
  const advice = isResumed ? ": resume it first" : "";
  const message = `the sandbox is ${status}${why}, and this needs it to be ${needed.join(" or ")}${advice}`;
  return new WarrenError("invalid_state", message);
}

/** The error for an id that means nothing to the caller's team. */
export function sandboxNotFound(id: string): WarrenError {
  return new WarrenError("not_found", `there is no such sandbox: ${id}`);
}
