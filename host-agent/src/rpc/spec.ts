import { WarrenError } from "@warren/contracts/errors";
import type { SandboxSpec as SpecMessage } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { DEFAULT_SPEC, type SandboxSettings, type SandboxSpec, SETTINGS } from "../sandboxes/record/spec.ts";
import { within } from "./bounds.ts";

/** What is asked for a new sandbox, with defaults for the rest; throws `invalid_request` when that cannot be had. */
export function newSpec(message: SpecMessage | undefined): SandboxSpec {
  return { ...DEFAULT_SPEC, ...given(message) };
}

/** What is to change of a sandbox; throws `invalid_request` when that cannot change. */
export function settingsOf(message: SpecMessage | undefined): Partial<SandboxSettings> {
  const changes = given(message);
  const fixed = Object.keys(changes).filter((name) => !(SETTINGS as readonly string[]).includes(name));
  if (fixed.length > 0) throw new WarrenError("invalid_request", `a sandbox keeps its ${fixed.join(" and ")}`);
  return changes;
}

/** Fields of a spec as an answer has them. */
export function specMessage({ version: _, ...fields }: SandboxSpec) {
  return fields;
}

function given(message: SpecMessage | undefined): Partial<SandboxSpec> {
  const { $typeName: _, $unknown: __, ...fields } = message ?? { $typeName: "hostagent.v1.SandboxSpec" as const };
  const { vcpus, memoryMb, timeoutSec, onTimeout } = fields;
  if (vcpus !== undefined) within("vcpus", vcpus, LIMITS.vcpus);
  if (memoryMb !== undefined) within("memory_mb", memoryMb, LIMITS.memoryMb);
  if (timeoutSec !== undefined) within("timeout_sec", timeoutSec, LIMITS.timeoutSec);
  if (onTimeout !== undefined && onTimeout !== "pause" && onTimeout !== "destroy") {
    throw new WarrenError("invalid_request", `on_timeout must be pause or destroy, not "${onTimeout}"`);
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
