import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { removeUnfinishedWrites, syncDirectory, writeFileDurably } from "@warren/server/durable-file";
import { EmergencySpace } from "@warren/server/emergency-space";
import type { DiskChain } from "../../disk/layers.ts";
import type { ProcessIdentity } from "../../linux/process-identity.ts";
import type { SandboxState } from "./lifecycle.ts";
import { reasonOf, type SandboxReason } from "./reason.ts";
import { parseSpec, type SandboxSpec, SPEC_VERSION } from "./spec.ts";

/** Version of the record. Those of version 1 are read too, which have the fields of the spec beside the others. */
const RECORD_VERSION = 2;

/** What must be known of a sandbox after a crash. Written before each step that creates something on the host. */
export interface SandboxRecord extends SandboxState {
  version: typeof RECORD_VERSION;
  /** Name of its directory and its control group; differs from `id` when it stood in the warm pool before it had one. */
  instance: string;
  /** What it is kept for: a caller, the warm pool (`pool` in records), or to make a built-in template of. */
  purpose: "sandbox" | "pool" | "template";
  teamId: string;
  spec: SandboxSpec;
  /** Host name of its guest; absent = its id. */
  hostname?: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Milliseconds since the epoch of the last activity before the record was written. */
  lastActiveAt: number;
  /** Why it is in its status; absent when a caller asked for it. */
  reason?: SandboxReason;
  /** Token that the guest agent asks for. */
  token: string;
  /** Number of the network slot, once one is taken. */
  slot?: number;
  /** The VMM process, once it exists. */
  process?: ProcessIdentity;
  disk: DiskChain;
  /**
   * File that its microVM maps as memory, whether it is its own, and the header in the memory store that this is; null =
   * blank memory.
   */
  memory?: { header: string | null; path: string; own?: boolean };
  /** Snapshot that it is paused in, or was last started from. */
  snapshot?: string;
  /** Bytes on disk that it took when it was paused last, above the lowest layers, which are its template's. */
  diskBytes?: number;
  /** The snapshot is its own last pause, to which it returns when its VMM fails. */
  ownSnapshot: boolean;
  /** Files that a microVM boots from. */
  boot: { kernel: string; initramfs: string };
}

/** Records of the sandboxes of one data directory, each in a directory: `sandboxes/{instance}/sandbox.json`. */
export class Journal {
  readonly #root: string;
  readonly #emergency: EmergencySpace;

  constructor(dataDirectory: string, emergency = new EmergencySpace(dataDirectory)) {
    this.#root = join(dataDirectory, "sandboxes");
    this.#emergency = emergency;
  }

  /** Directory that holds all files of a sandbox. */
  directory(instance: string): string {
    return join(this.#root, instance);
  }

  /** Makes the directory of a new sandbox and writes its first record. */
  async create(record: SandboxRecord): Promise<void> {
    await mkdir(this.directory(record.instance), { recursive: true, mode: 0o700 });
    await syncDirectory(this.#root);
    await this.write(record);
  }

  /** Replaces the record of a sandbox durably. */
  async write(record: SandboxRecord): Promise<void> {
    const path = join(this.directory(record.instance), "sandbox.json");
    await this.#emergency.use(() => writeFileDurably(path, `${JSON.stringify(record, null, 2)}\n`));
  }

  /** Removes everything of a sandbox. The record goes last, so that a crash half way leaves what names the rest. */
  async remove(instance: string): Promise<void> {
    await this.clear(instance);
    await rm(this.directory(instance), { recursive: true, force: true });
    await syncDirectory(this.#root).catch(ignoreMissing(undefined));
  }

  /** Removes all files of a sandbox but its record. */
  async clear(instance: string): Promise<void> {
    const directory = this.directory(instance);
    const names = await readdir(directory).catch(ignoreMissing([]));
    await Promise.all(
      names
        .filter((name) => name !== "sandbox.json")
        .map((name) => rm(join(directory, name), { recursive: true, force: true })),
    );
  }

  /**
   * Reads all records. A directory without a readable record is named in `unreadable`: it was made by a create that
   * ended before its first record, or is damaged. Records that an earlier process left half written are removed. Throws
   * `conflict` when one is of a newer version, whose sandbox this one would take for damaged, and `internal_error` when one
   * is there and cannot be read: without it, what it names would be removed as nobody's.
   */
  async load(): Promise<{ records: SandboxRecord[]; unreadable: { instance: string; reason: string }[] }> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const records: SandboxRecord[] = [];
    const unreadable: { instance: string; reason: string }[] = [];
    for (const instance of await readdir(this.#root)) {
      const read = await this.#read(instance);
      if ("unusable" in read) unreadable.push({ instance, reason: read.unusable });
      else records.push(read);
    }
    for (const record of records) if (dropEnvironment(record)) await this.write(record);
    return { records, unreadable };
  }

  /** The record of a directory, or why it has none; throws as `load`. */
  async #read(instance: string): Promise<SandboxRecord | { unusable: string }> {
    try {
      await removeUnfinishedWrites(this.directory(instance));
      return parseRecord(await readFile(join(this.directory(instance), "sandbox.json"), "utf8"), instance);
    } catch (error) {
      if (error instanceof WarrenError) throw error;
      if (isOfTheSystem(error) && !NO_RECORD.includes(error.code))
        throw unreadable(instance, this.directory(instance), error);
      return { unusable: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** What the system answers where no record is, or something else in its place. */
const NO_RECORD = ["ENOENT", "ENOTDIR", "EISDIR"];

function isOfTheSystem(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  const { code, errno } = error as NodeJS.ErrnoException;
  return typeof code === "string" && errno !== undefined;
}

function unreadable(instance: string, directory: string, cause: Error): WarrenError {
  return new WarrenError(
    "internal_error",
    `the record of the sandbox ${instance} cannot be read: ${cause.message}. The disk may be failing; nothing of it was ` +
      `changed. Start again once it can be read, or move ${directory} away to do without this sandbox`,
    { cause },
  );
}

/** Parses a record and checks what recovery depends on. */
export function parseRecord(text: string, instance: string): SandboxRecord {
  const record: unknown = JSON.parse(text);
  if (typeof record !== "object" || record === null) throw new Error("the record is not an object");
  const fields = withSpec(record) as Partial<SandboxRecord>;
  refuseNewer(instance, fields.version, RECORD_VERSION);
  refuseNewer(instance, fields.spec?.version, SPEC_VERSION);
  if (fields.version !== RECORD_VERSION) throw new Error(`the record has version ${String(fields.version)}`);
  if (fields.instance !== instance) throw new Error(`the record is that of ${String(fields.instance)}`);
  for (const name of ["id", "teamId", "token", "status", "purpose"] as const) {
    if (typeof fields[name] !== "string") throw new Error(`the record has no ${name}`);
  }
  if (!Number.isSafeInteger(fields.createdAt)) throw new Error("the record has no createdAt");
  if (!Array.isArray(fields.disk?.layers)) throw new Error("the record has no disk");
  if (typeof fields.boot?.kernel !== "string") throw new Error("the record has no boot files");
  return withReason({ ...fields, spec: parseSpec(fields.spec) } as SandboxRecord & { pausedBy?: string });
}

function refuseNewer(instance: string, version: unknown, newest: number): void {
  if (typeof version !== "number" || version <= newest) return;
  throw new WarrenError(
    "conflict",
    `the sandbox ${instance} was last written by a newer Warren; start that one again, or one that is newer still`,
  );
}

/** A record of version 1 as one of version 2; any other as it is. */
function withSpec(record: object): object {
  if (!("version" in record) || record.version !== 1) return record;
  const { template, vcpus, memoryMb, timeoutSec, onTimeout, autoResume, ...rest } = record as Partial<SandboxSpec>;
  const settings = { ...(onTimeout !== undefined && { onTimeout }), ...(autoResume !== undefined && { autoResume }) };
  const spec = { version: 1, template, vcpus, memoryMb, timeoutSec, ...settings };
  return { ...rest, version: RECORD_VERSION, spec };
}

/** Records of version 0.1.0 name a pause by inactivity in a field of its own. */
function withReason({ pausedBy, ...record }: SandboxRecord & { pausedBy?: string }): SandboxRecord {
  if (pausedBy !== "inactivity" || record.reason) return record;
  const reason = reasonOf("inactivity", `nothing used it for ${record.spec.timeoutSec} s`);
  return { ...record, reason: { ...reason, at: record.lastActiveAt } };
}

/** Takes out the environment, which records of version 0.1.0 had and the guest has too; tells whether there was one. */
function dropEnvironment(record: SandboxRecord & { env?: unknown }): boolean {
  const had = record.env !== undefined;
  delete record.env;
  return had;
}

function ignoreMissing<T>(fallback: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return fallback;
    throw error;
  };
}
