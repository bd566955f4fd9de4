import { type Static, type TOptional, type TProperties, Type } from "typebox";
import { BASE_TEMPLATE, TEMPLATE_NAME, TEMPLATE_NAME_WORDS } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";

/** Tag of a host. */
export const HostTagName = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._:=-]{0,62}$",
  "x-words": "1 to 63 letters a to z, digits and any of . _ : = -, beginning with a letter or digit",
});

/** Fields that a sandbox keeps for its life. */
const fixed = {
  template: Type.String({
    pattern: TEMPLATE_NAME.source,
    "x-words": TEMPLATE_NAME_WORDS,
    description: "Template to start from",
  }),
  vcpus: Type.Integer({
    minimum: LIMITS.vcpus.min,
    maximum: LIMITS.vcpus.max,
    description: `Virtual CPUs; default: ${LIMITS.vcpus.default}, or those of a template that fixes them`,
  }),
  memory_mb: Type.Integer({
    minimum: LIMITS.memoryMb.min,
    maximum: LIMITS.memoryMb.max,
    description: `Memory in MiB; default: ${LIMITS.memoryMb.default}, or that of a template that fixes it`,
  }),
  host_tags: Type.Array(HostTagName, {
    maxItems: LIMITS.hostTags,
    description: "Tags that its host must have, all of them; refused when no host has one of them",
  }),
};

/** Fields that may change while it lives. */
const settings = {
  timeout_sec: Type.Integer({
    minimum: LIMITS.timeoutSec.min,
    maximum: LIMITS.timeoutSec.max,
    description: "Seconds of inactivity before `on_timeout` happens; 0 = never",
  }),
  on_timeout: Type.Enum(["pause", "destroy"], { description: "What inactivity leads to" }),
  auto_resume: Type.Boolean({ description: "A call that needs the sandbox resumes it when it is paused" }),
};

/** What is decided about a sandbox when it is created, and what its host is told of that. A new field stands here once. */
export const SandboxSpec = Type.Object({ ...fixed, ...settings });
export type SandboxSpec = Static<typeof SandboxSpec>;

/** What of it may change while the sandbox lives. */
export const SandboxSettings = Type.Object(settings);
export type SandboxSettings = Static<typeof SandboxSettings>;

/** What a sandbox gets that is not asked for, and what one has from before the field was there. */
export const DEFAULT_SPEC: SandboxSpec = {
  template: BASE_TEMPLATE,
  vcpus: LIMITS.vcpus.default,
  memory_mb: LIMITS.memoryMb.default,
  host_tags: [],
  timeout_sec: LIMITS.timeoutSec.default,
  on_timeout: "pause",
  auto_resume: false,
};

/** The fields of a request that names what it wants of a new sandbox. */
export const requestedSpec = {
  // Without a default of the schema, a size that was not asked for beside a template that fixes it is told from one that was.
  ...optional(fixed, { template: DEFAULT_SPEC.template, host_tags: DEFAULT_SPEC.host_tags }),
  ...optional(settings, DEFAULT_SPEC),
};

/** The fields of a request that names what is to change. */
export const changedSettings = optional(settings);

/** Schemas of fields that may be left out, of which those with a default say so. */
function optional<Fields extends TProperties>(
  fields: Fields,
  defaults: { [Name in keyof Fields]?: unknown } = {},
): { [Name in keyof Fields]: TOptional<Fields[Name]> } {
  const named = Object.entries(fields).map(([name, schema]) => {
    const value: unknown = defaults[name];
    return [name, Type.Optional(value === undefined ? schema : { ...schema, default: value })];
  });
  return Object.fromEntries(named);
}
