import { WarrenError } from "@warren/contracts/errors";
import { SANDBOX_ID } from "@warren/contracts/identifiers";

/** What is decided about a sandbox, and may be changed while it lives. */
export interface SandboxSettings {
  /** Seconds of inactivity before `onTimeout` happens; 0 = never. */
  timeoutSec: number;
  onTimeout: "pause" | "destroy";
  /** A call that needs it resumes it when it is paused. */
  autoResume: boolean;
}

/** What is decided about a new sandbox. */
export interface NewSandbox extends SandboxSettings {
  id: string;
  teamId: string;
  template: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Variables of all its processes; absent = those of the sandbox that it is a copy of. */
  env?: Record<string, string>;
}

export function requireSandboxId(id: string): void {
  if (!SANDBOX_ID.test(id)) throw new WarrenError("invalid_request", `${id} is not a sandbox id`);
}
