import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, writeFileDurably } from "../durable/write-file.ts";
import type { VmProcess } from "../vmm/vmm.ts";
import type { SandboxStatus } from "./lifecycle.ts";

/** Version of the record; a record of another version is reported and left alone. */
const RECORD_VERSION = 1;

/** What must be known of a sandbox after a crash. Written before each step that creates something on the host. */
export interface SandboxRecord {
  version: typeof RECORD_VERSION;
  id: string;
  teamId: string;
  template: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Seconds of inactivity before the sandbox is paused; 0 = never. */
  timeoutSec: number;
  env: Record<string, string>;
  status: Exclude<SandboxStatus, "gone">;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Token that the guest agent asks for. */
  token: string;
  /** Number of the network slot, once one is taken. */
  slot?: number;
  /** The VMM process, once it exists. */
  process?: VmProcess;
  /** Files that the microVM boots from. */
  boot: { kernel: string; initramfs: string; base: string; baseFormat: "raw" | "qcow2"; virtualSize: number };
}

/** Records of the sandboxes of one data directory, each in the directory of its sandbox: `sandboxes/{id}/sandbox.json`. */
export class Journal {
  readonly #root: string;

  constructor(dataDirectory: string) {
    this.#root = join(dataDirectory, "sandboxes");
  }

  /** Directory that holds all files of a sandbox. */
  directory(id: string): string {
    return join(this.#root, id);
  }

  /** Makes the directory of a new sandbox and writes its first record. */
  async create(record: SandboxRecord): Promise<void> {
    await mkdir(this.directory(record.id), { recursive: true, mode: 0o700 });
    await syncDirectory(this.#root);
    await this.write(record);
  }

  /** Replaces the record of a sandbox durably. */
  async write(record: SandboxRecord): Promise<void> {
    await writeFileDurably(join(this.directory(record.id), "sandbox.json"), `${JSON.stringify(record, null, 2)}\n`);
  }

  /** Removes everything of a sandbox. The record goes last, so that a crash half way leaves what names the rest. */
  async remove(id: string): Promise<void> {
    const directory = this.directory(id);
    const names = await readdir(directory).catch(ignoreMissing([]));
    await Promise.all(
      names
        .filter((name) => name !== "sandbox.json")
        .map((name) => rm(join(directory, name), { recursive: true, force: true })),
    );
    await rm(directory, { recursive: true, force: true });
    await syncDirectory(this.#root).catch(ignoreMissing(undefined));
  }

  /**
   * Reads all records. A directory without a readable record is named in `unreadable`: it was made by a create that
   * ended before its first record, or is damaged.
   */
  async load(): Promise<{ records: SandboxRecord[]; unreadable: { id: string; reason: string }[] }> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const records: SandboxRecord[] = [];
    const unreadable: { id: string; reason: string }[] = [];
    for (const id of await readdir(this.#root)) {
      try {
        records.push(parseRecord(await readFile(join(this.directory(id), "sandbox.json"), "utf8"), id));
      } catch (error) {
        unreadable.push({ id, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    return { records, unreadable };
  }
}

/** Parses a record and checks what recovery depends on. */
export function parseRecord(text: string, id: string): SandboxRecord {
  const record: unknown = JSON.parse(text);
  if (typeof record !== "object" || record === null) throw new Error("the record is not an object");
  const fields = record as Partial<SandboxRecord>;
  if (fields.version !== RECORD_VERSION) throw new Error(`the record has version ${String(fields.version)}`);
  if (fields.id !== id) throw new Error(`the record names sandbox ${String(fields.id)}`);
  for (const name of ["teamId", "template", "token", "status"] as const) {
    if (typeof fields[name] !== "string") throw new Error(`the record has no ${name}`);
  }
  for (const name of ["vcpus", "memoryMb", "timeoutSec", "createdAt"] as const) {
    if (!Number.isSafeInteger(fields[name])) throw new Error(`the record has no ${name}`);
  }
  if (typeof fields.boot?.kernel !== "string") throw new Error("the record has no boot files");
  return fields as SandboxRecord;
}

function ignoreMissing<T>(fallback: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return fallback;
    throw error;
  };
}
