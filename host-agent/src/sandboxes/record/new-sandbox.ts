import { WarrenError } from "@warren/contracts/errors";
import { SANDBOX_ID } from "@warren/contracts/identifiers";
import type { SandboxSpec } from "./spec.ts";

/** A sandbox that is to be started. */
export interface NewSandbox {
  id: string;
  teamId: string;
  spec: SandboxSpec;
  /** Variables of all its processes; absent = those of the sandbox that it is a copy of. */
  env?: Record<string, string>;
}

export function requireSandboxId(id: string): void {
  if (!SANDBOX_ID.test(id)) throw new WarrenError("invalid_request", `${id} is not a sandbox id`);
}
