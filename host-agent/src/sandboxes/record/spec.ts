import type { SandboxSpec as SpecMessage } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import { LIMITS } from "@warren/contracts/limits";

/** Version of the spec in a record; a field more is no other version. */
export const SPEC_VERSION = 1;

type Fields = Omit<SpecMessage, "$typeName" | "$unknown" | "onTimeout">;

/** What is decided about a sandbox when it is created: the fields of the RPC, where they are explained, all of them given. */
export type SandboxSpec = { version: typeof SPEC_VERSION; onTimeout: "pause" | "destroy" } & {
  [Name in keyof Fields]-?: NonNullable<Fields[Name]>;
};

/** What a sandbox has that was not asked for, also one from before the field was there. */
export const DEFAULT_SPEC: SandboxSpec = {
  version: SPEC_VERSION,
  template: BASE_TEMPLATE,
  vcpus: LIMITS.vcpus.default,
  memoryMb: LIMITS.memoryMb.default,
  timeoutSec: LIMITS.timeoutSec.default,
  onTimeout: "pause",
  autoResume: false,
};

/** Fields that may change while the sandbox lives. */
export const SETTINGS = ["timeoutSec", "onTimeout", "autoResume"] as const satisfies (keyof SandboxSpec)[];
export type SandboxSettings = Pick<SandboxSpec, (typeof SETTINGS)[number]>;

/** The spec that a record holds. Throws when it is not whole; fields that are newer than the record get their default. */
export function parseSpec(stored: unknown): SandboxSpec {
  if (typeof stored !== "object" || stored === null) throw new Error("the record has no spec");
  const fields = stored as Partial<SandboxSpec>;
  if (fields.version !== SPEC_VERSION) throw new Error(`the spec has version ${String(fields.version)}`);
  if (typeof fields.template !== "string") throw new Error("the spec has no template");
  for (const name of ["vcpus", "memoryMb", "timeoutSec"] as const) {
    if (!Number.isSafeInteger(fields[name])) throw new Error(`the spec has no ${name}`);
  }
  return { ...DEFAULT_SPEC, ...fields };
}
