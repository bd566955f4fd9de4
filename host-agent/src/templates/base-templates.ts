import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory, writeFileDurably } from "@warren/server/durable-file";
import type { Logger } from "pino";
import type { DiskLayers } from "../disk/layers.ts";
import type { MemoryStore } from "../memory/store/store.ts";
import { exportMemory, importMemory } from "../memory/store/transfer.ts";
import { type MachineShape, parseManifest } from "../snapshots/manifest.ts";
import type { SnapshotStore } from "../snapshots/store.ts";

/** Names of files in the folder of a template, beside those of memory and disk layers. */
const MANIFEST = "manifest.json";
const DEVICE_STATE = "device-state";
const SNAPSHOT_ID = /^[0-9a-f]{32}$/;
/** A template that is being put into the shared directory. */
const TEMPORARY = /^[0-9a-f]{32}\.[0-9a-f]{8}\.tmp$/;
/** Milliseconds after which a folder that is not whole is being made or removed by nobody: either takes seconds. */
const DEBRIS_MS = 60 * 60 * 1000;

/** Templates that are kept for a size of machine, and in all; each takes about 80 MB. */
const KEPT_OF_A_SIZE = 4;
const KEPT = 16;

/** Parts that base templates are kept with. */
export interface BaseTemplateParts {
  /** Directory that all data directories share, on their file system; what is in it can be made again. */
  sharedDirectory: string;
  memory: MemoryStore;
  disks: DiskLayers;
  snapshots: SnapshotStore;
  log: Logger;
}

/**
 * The built-in template, a snapshot for each size of machine: booted, warmed up and at rest, with no identity yet. It
 * is kept in a directory that all host agents of a machine share and is linked into the data directory that uses it, so
 * that its bytes exist once on disk and once in the page cache.
 */
export class BaseTemplates {
  readonly #parts: BaseTemplateParts;
  /** Snapshots that are there, or are being made. */
  readonly #ready = new Map<string, Promise<void>>();

  constructor(parts: BaseTemplateParts) {
    this.#parts = parts;
  }

  /** Snapshots that must stay although no sandbox uses them at the moment. */
  ids(): string[] {
    return [...this.#ready.keys()];
  }

  /** Removes from the shared directory what host agents left that were killed while they put a template there or removed one. */
  async removeDebris(): Promise<void> {
    const { sharedDirectory, log } = this.#parts;
    try {
      for (const name of await readdir(sharedDirectory).catch(absentAsNone)) {
        if (!(await this.#isDebris(name))) continue;
        log.info({ template: name }, "removing what is left of a built-in template");
        await rm(join(sharedDirectory, name), { recursive: true, force: true });
      }
    } catch (error) {
      log.warn({ err: error }, "what is left of built-in templates cannot be removed");
    }
  }

  async #isDebris(name: string): Promise<boolean> {
    const { sharedDirectory } = this.#parts;
    if (!TEMPORARY.test(name) && !SNAPSHOT_ID.test(name)) return false;
    const found = await stat(join(sharedDirectory, name)).catch(() => undefined);
    if (!found || Date.now() - found.mtimeMs < DEBRIS_MS) return false;
    if (TEMPORARY.test(name)) return true;
    return !(await readdir(join(sharedDirectory, name))).includes(MANIFEST);
  }

  /**
   * The snapshot for a size of machine. When there is none, `make` boots one and publishes it under the id that it is
   * given; callers at the same time share the work.
   */
  async ensure(
    shape: MachineShape,
    bootFiles: readonly string[],
    make: (id: string) => Promise<void>,
  ): Promise<string> {
    const id = snapshotId(shape, bootFiles);
    let ready = this.#ready.get(id);
    if (!ready) {
      ready = this.#make(id, shape, make);
      this.#ready.set(id, ready);
      ready.catch(() => this.#ready.delete(id));
    }
    await ready;
    return id;
  }

  async #make(id: string, shape: MachineShape, make: (id: string) => Promise<void>): Promise<void> {
    const { snapshots } = this.#parts;
    // From the start of this `ids` has it, which the collection under way may not know.
    if (await snapshots.betweenCollections(async () => snapshots.has(id) || this.#import(id))) return;
    await make(id);
    await this.#export(id, shape);
  }

  /** Links a shared template into this data directory; false when there is none, or none that can be used. */
  async #import(id: string): Promise<boolean> {
    const { memory, disks, snapshots, log } = this.#parts;
    const source = join(this.#parts.sharedDirectory, id);
    const text = await readFile(join(source, MANIFEST), "utf8").catch(() => undefined);
    if (text === undefined) return false;
    const ends: (() => void)[] = [];
    try {
      const { state: _, ...draft } = parseManifest(text, id);
      ends.push(snapshots.expectMemory(draft.memory));
      for (const layer of draft.disk.layers) ends.push(await disks.take(layer, join(source, disks.fileName(layer))));
      await importMemory(memory, draft.memory, source);
      await snapshots.publish(draft, await readFile(join(source, DEVICE_STATE)));
      const now = new Date();
      // The time of the last use. One that goes at this moment is here already.
      await utimes(join(source, MANIFEST), now, now).catch(() => undefined);
      return true;
    } catch (error) {
      // It can be made again; what is left of it goes with the next collection.
      log.warn({ err: error, template: id }, "the snapshot of a built-in template cannot be used; it is made anew");
      await rm(source, { recursive: true, force: true });
      return false;
    } finally {
      for (const end of ends) end();
    }
  }

  /** Links a template of this data directory into the shared one. */
  async #export(id: string, shape: MachineShape): Promise<void> {
    const { memory, disks, snapshots, sharedDirectory } = this.#parts;
    const manifest = snapshots.get(id);
    await mkdir(sharedDirectory, { recursive: true, mode: 0o700 });
    const temporary = join(sharedDirectory, `${id}.${randomBytes(4).toString("hex")}.tmp`);
    try {
      await mkdir(temporary, { mode: 0o700 });
      await exportMemory(memory, manifest.memory, temporary);
      for (const layer of manifest.disk.layers) await disks.giveTo(layer, temporary);
      await writeFileDurably(join(temporary, DEVICE_STATE), await readFile(await snapshots.deviceState(id)));
      await writeFileDurably(join(temporary, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
      await this.#makeRoom(id, shape);
      await rename(temporary, join(sharedDirectory, id));
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      // Another host agent was first: its template is as good.
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
    await syncDirectory(sharedDirectory);
  }

  /**
   * Makes room in the shared directory for one more template of a size: those go that were used longest ago. Several stay,
   * since versions of Warren and of QEMU that take turns on a machine have one each.
   */
  async #makeRoom(id: string, shape: MachineShape): Promise<void> {
    const { sharedDirectory } = this.#parts;
    const others = (await readdir(sharedDirectory)).filter((name) => name !== id && SNAPSHOT_ID.test(name));
    const found = await Promise.all(others.map((name) => this.#describe(name)));
    const lastFirst = found.filter((other) => other !== undefined).sort((one, other) => other.usedMs - one.usedMs);
    const ofSize = lastFirst.filter((other) => other.size === sizeOf(shape)).slice(KEPT_OF_A_SIZE - 1);
    const surplus = new Set([...ofSize, ...lastFirst.filter((other) => !ofSize.includes(other)).slice(KEPT - 1)]);
    for (const { name } of surplus) await rm(join(sharedDirectory, name), { recursive: true, force: true });
  }

  /** When a template of the shared directory was used last, and its size; undefined when it has gone. */
  async #describe(name: string) {
    const path = join(this.#parts.sharedDirectory, name, MANIFEST);
    try {
      const { mtimeMs: usedMs } = await stat(path);
      const text = await readFile(path, "utf8");
      return { name, usedMs, size: sizeIn(text, name) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }
}

function sizeOf({ vcpus, memoryMb }: MachineShape): string {
  return `${vcpus}x${memoryMb}`;
}

/** The size that a manifest tells; undefined for one of another version of Warren, which may use it. */
function sizeIn(manifest: string, id: string): string | undefined {
  try {
    return sizeOf(parseManifest(manifest, id).shape);
  } catch {
    return undefined;
  }
}

/** Id that follows from everything that the snapshot of a built-in template depends on. */
function snapshotId(shape: MachineShape, bootFiles: readonly string[]): string {
  const facts = JSON.stringify([shape, bootFiles.map((path) => basename(dirname(path)))]);
  return createHash("sha256").update(facts).digest("hex").slice(0, 32);
}

function absentAsNone(error: NodeJS.ErrnoException): string[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}
