import { WarrenError } from "@warren/contracts/errors";
import type { BaseImage } from "../../disk/disk.ts";
import type { MachineShape } from "../../snapshots/manifest.ts";
import type { FileChecksum } from "./pack.ts";

const VERSION = 1;
/** Files of a template, and bytes of one, at most. */
const MOST_FILES = 256;
const MOST_BYTES = 2 ** 44;

/** What a file of a template is: its manifest, the state of its devices, header and layers of its memory, layers and base of its disk. */
const KINDS = ["manifest", "state", "header", "layer", "disk", "base"] as const;
export type FileKind = (typeof KINDS)[number];

/** A file of a template. */
export interface BundledFile extends FileChecksum {
  kind: FileKind;
  /** Of the snapshot, memory or layer: 32 hexadecimal digits. Of the base, its checksum: hosts build their own of the same content. */
  id: string;
}

/**
 * All that a template is made of, by checksums. Its text is what a control plane keeps of a template, and what a host goes
 * by that gets the files from elsewhere: nothing else is believed of them.
 */
export interface Bundle {
  version: typeof VERSION;
  /** Processor architecture, as Node names it. */
  arch: string;
  /** Id of the snapshot, which is the same on every host. */
  snapshot: string;
  shape: MachineShape;
  /** Milliseconds since the epoch. */
  createdAt: number;
  base: Omit<BaseImage, "path">;
  files: BundledFile[];
}

export function bundleText(fields: Omit<Bundle, "version">): string {
  return JSON.stringify({ version: VERSION, ...fields } satisfies Bundle);
}

/** Throws `invalid_request` for a text that is no bundle. */
export function parseBundle(text: string): Bundle {
  const bundle = parsed(text);
  const { shape, base, files } = bundle;
  const isName = (value: unknown) => typeof value === "string" && value.length <= 256;
  const isCount = (value: unknown, most: number) =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
  if (bundle.version !== VERSION) throw refusal(`it is of version ${String(bundle.version)}, not ${VERSION}`);
  if (!isHex(bundle.snapshot, 32) || !isName(bundle.arch)) throw refusal("it does not say what it is of");
  if (!isCount(bundle.createdAt, Number.MAX_SAFE_INTEGER)) throw refusal("it has no time");
  if (![shape?.vmm, shape?.accelerator, shape?.cpu].every(isName)) throw refusal("it names no machine");
  if (!isCount(shape?.vcpus, 1024) || !isCount(shape?.memoryMb, 2 ** 24)) throw refusal("its machine has no size");
  if (!["raw", "qcow2"].includes(String(base?.format)) || !isCount(base?.virtualSize, MOST_BYTES)) {
    throw refusal("it has no base image");
  }
  if (!Array.isArray(files) || files.length > MOST_FILES) throw refusal("it has no list of files");
  for (const file of files) {
    const known = KINDS.includes(file?.kind) && isHex(file.id, file.kind === "base" ? 64 : 32);
    if (!known || !isHex(file.sha256, 64)) throw refusal("one of its files has no name or checksum");
    if (!isCount(file.bytes, MOST_BYTES) || !isCount(file.dataBytes, file.bytes))
      throw refusal("one of its files has no length");
  }
  for (const kind of ["manifest", "state", "header", "base"]) {
    if (files.filter((file) => file.kind === kind).length !== 1) throw refusal(`it has not one file of kind ${kind}`);
  }
  return bundle as Bundle;
}

/** The one file of its kind. */
export function fileOf({ files }: Bundle, kind: FileKind): BundledFile {
  return files.find((file) => file.kind === kind)!;
}

/** Throws `snapshot_incompatible` where the guests of one architecture do not run. */
export function requireArch({ arch }: Bundle): void {
  if (arch === process.arch) return;
  throw new WarrenError(
    "snapshot_incompatible",
    `the template was made on a processor of architecture ${arch}, and this host has ${process.arch}`,
  );
}

function parsed(text: string): Partial<Bundle> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Refused below.
  }
  throw refusal("it is not an object of JSON");
}

function isHex(value: unknown, digits: number): boolean {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}

function refusal(what: string): WarrenError {
  return new WarrenError("invalid_request", `the list of the template's files cannot be used: ${what}`);
}
