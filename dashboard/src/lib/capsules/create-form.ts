import type { Schemas } from "#lib/api/client.ts";
import { nameProblem } from "./name-rule.ts";

/** Bounds of a capsule, as the API has them. */
export const VCPUS = { min: 1, max: 8 };
export const MEMORY_MB = { min: 128, max: 8192 };
const METADATA_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;

/** Template that every host has. */
export const BASE_TEMPLATE = "minimal";

/** What may become of a capsule that nothing uses; seconds follow of what does not run on. */
export const WHEN_IDLE = [
  { value: "run", label: "Runs on" },
  ...inTime("pause", "Paused"),
  ...inTime("destroy", "Destroyed, with all in it,"),
];

function inTime(what: "pause" | "destroy", words: string) {
  const times = {
    300: "5 minutes",
    900: "15 minutes",
    3600: "1 hour",
    14400: "4 hours",
    86400: "1 day",
    604800: "7 days",
  };
  return Object.entries(times).map(([sec, time]) => ({ value: `${what} ${sec}`, label: `${words} after ${time}` }));
}

/** What is typed and chosen. */
export interface CreateFields {
  template: string;
  name: string;
  vcpus: string;
  memoryMb: string;
  /** A value of {@link WHEN_IDLE}. */
  whenIdle: string;
  /** An entry per line: `key=value`. */
  metadata: string;
}

export const EMPTY_FIELDS: CreateFields = {
  template: BASE_TEMPLATE,
  name: "",
  vcpus: "1",
  memoryMb: "512",
  whenIdle: "run",
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
  const problem = nameProblem(name);
  if (problem !== undefined) problems.name = problem;
  const [idle, timeout = "0"] = fields.whenIdle.split(" ");
  const body: Schemas["CreateSandbox"] = {
    template: fields.template,
    ...(name === "" ? {} : { name }),
    timeout_sec: Number(timeout),
    on_timeout: idle === "destroy" ? "destroy" : "pause",
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
