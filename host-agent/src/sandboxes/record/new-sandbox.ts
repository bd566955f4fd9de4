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
  /** Host name of its guest; absent = its id. */
  hostname?: string;
}

/** A label of RFC 1123 (section 2.1, by RFC 952), in small letters. */
const HOSTNAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function requireHostname(name: string): string {
  if (!HOSTNAME.test(name)) {
    throw new WarrenError("invalid_request", "hostname: 1 to 63 small letters, digits and inner hyphens are needed");
  }
  return name;
}

export function requireSandboxId(id: string): void {
  if (!SANDBOX_ID.test(id)) throw new WarrenError("invalid_request", `${id} is not a sandbox id`);
}
