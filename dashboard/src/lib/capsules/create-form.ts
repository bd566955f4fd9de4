import type { Schemas } from "#lib/api/client.ts";

/** Bounds of a capsule, as the API has them. */
export const VCPUS = { min: 1, max: 8 };
export const MEMORY_MB = { min: 128, max: 8192 };
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
const METADATA_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;

/** Template that every host has. */
export const BASE_TEMPLATE = "minimal";

/** After how many seconds without use a capsule pauses. */
export const IDLE_TIMEOUTS = [
  { value: "0", label: "never" },
  { value: "300", label: "5 minutes" },
  { value: "900", label: "15 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "14400", label: "4 hours" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
] as const;

/** What is typed and chosen. */
export interface CreateFields {
  template: string;
  name: string;
  vcpus: string;
  memoryMb: string;
  timeoutSec: (typeof IDLE_TIMEOUTS)[number]["value"];
  onTimeout: "pause" | "destroy";
  /** An entry per line: `key=value`. */
  metadata: string;
}

export const EMPTY_FIELDS: CreateFields = {
  template: BASE_TEMPLATE,
  name: "",
  vcpus: "1",
  memoryMb: "512",
  timeoutSec: "0",
  onTimeout: "pause",
  metadata: "",
};

/** What is wrong, by field. */
export type CreateProblems = Partial<Record<"name" | "vcpus" | "memoryMb" | "metadata", string>>;

type Template = Pick<Schemas["Template"], "vcpus" | "memory_mb">;

/** The request for what was typed, or what is wrong with that. A size that the template fixes is not asked for. */
export function readCreateForm(
  fields: CreateFields,
  template: Template | undefined,
): { body: Schemas["CreateSandbox"]; problems: CreateProblems } {
  const problems: CreateProblems = {};
  const name = fields.name.trim();
  if (name !== "" && !NAME.test(name)) problems.name = "Letters, digits and . _ -, the first a letter or digit.";
  const body: Schemas["CreateSandbox"] = {
    template: fields.template,
    ...(name === "" ? {} : { name }),
    timeout_sec: Number(fields.timeoutSec),
    on_timeout: fields.onTimeout,
  };
  if (template?.vcpus === undefined) {
    const vcpus = readWhole(fields.vcpus, VCPUS);
    if (vcpus === undefined) problems.vcpus = `A whole number from ${VCPUS.min} to ${VCPUS.max}.`;
    else body.vcpus = vcpus;
  }
  if (template?.memory_mb === undefined) {
    const memory = readWhole(fields.memoryMb, MEMORY_MB);
    if (memory === undefined) problems.memoryMb = `A whole number from ${MEMORY_MB.min} to ${MEMORY_MB.max}.`;
    else body.memory_mb = memory;
  }
  const metadata = readMetadata(fields.metadata);
  if (typeof metadata === "string") problems.metadata = metadata;
  else if (metadata) body.metadata = metadata;
  return { body, problems };
}

function readWhole(text: string, { min, max }: { min: number; max: number }): number | undefined {
  if (!/^\d{1,6}$/.test(text.trim())) return undefined;
  const number = Number(text);
  return number >= min && number <= max ? number : undefined;
}

/** Entries of lines of `key=value`, undefined without any, or a sentence about the line that is wrong. */
export function readMetadata(text: string): Record<string, string> | string | undefined {
  const entries = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    const key = line.slice(0, at).trim();
    if (at < 0) return `Line ${index + 1} has no =.`;
    if (!METADATA_KEY.test(key)) return `The key of line ${index + 1} is not letters, digits and . _ / - alone.`;
    if (entries.has(key)) return `The key ${key} is there twice.`;
    entries.set(key, line.slice(at + 1).trim());
  }
  return entries.size === 0 ? undefined : Object.fromEntries(entries);
}
