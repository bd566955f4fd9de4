import { chmod, link, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { syncDirectory } from "@warren/server/durable-file";
import type { Logger } from "pino";
import type { BaseImage } from "../../disk/disk.ts";
import type { DiskLayers } from "../../disk/layers.ts";
import { readQcow2Header } from "../../disk/qcow2/header.ts";
import type { PromiseDisk } from "../../memory/image-cache/image-cache.ts";
import type { MemoryStore } from "../../memory/store/store.ts";
import { importMemory } from "../../memory/store/transfer.ts";
import { type MachineShape, parseManifest, requireSameShape, type SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { Template, TemplateStore } from "../store.ts";
import { type Bundle, type BundledFile, fileOf, parseBundle, requireArch } from "./bundle.ts";
import type { TemplateBundler } from "./bundler.ts";
import { download, type TemplateSource } from "./download.ts";
import { checksumOf } from "./pack.ts";

/** Milliseconds for which what has come of a template is kept that nobody asks for any more. */
const KEPT_MS = 24 * 60 * 60 * 1000;

export interface FetcherParts {
  dataDirectory: string;
  memory: MemoryStore;
  disks: DiskLayers;
  snapshots: SnapshotStore;
  templates: TemplateStore;
  bundler: TemplateBundler;
  promiseDisk: PromiseDisk;
  /** Machine of a size on this host. */
  shapeOf(size: Pick<MachineShape, "vcpus" | "memoryMb">): Promise<MachineShape>;
  /** Base image of this host. */
  baseImage(): BaseImage;
  log: Logger;
}

/** What a template is called. */
export interface TemplateName {
  teamId: string;
  name: string;
}

/**
 * Brings templates of other hosts here, once however many ask. Files come to `transfers/{snapshot}` first, each verified by
 * the checksum that its bundle has; what is here already is taken from here. The snapshot is published when all of it is there, and
 * then the template named; until then nothing of it shows, and what it replaces stays.
 */
export class TemplateFetcher {
  readonly #parts: FetcherParts;
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  get #directory(): string {
    return join(this.#parts.dataDirectory, "transfers");
  }

  get #bases(): string {
    return join(this.#parts.dataDirectory, "bases");
  }

  /** Removes what transfers left that nobody has gone on with for a day, and base images that no snapshot or sandbox rests on. */
  async removeDebris(basesInUse: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#directory).catch(absentAsNone)) {
      const path = join(this.#directory, name);
      if (Date.now() - (await stat(path)).mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
    }
    for (const name of await readdir(this.#bases).catch(absentAsNone)) {
      if (!basesInUse.has(join(this.#bases, name))) await rm(join(this.#bases, name));
    }
  }

  /**
   * Brings a template here; the one that it replaced, if there was one. Throws `snapshot_incompatible` before anything is fetched
   * where its microVM would not run.
   */
  async fetch(
    named: TemplateName,
    text: string,
    source: TemplateSource,
  ): Promise<{ template: Template; former?: Template }> {
    const bundle = parseBundle(text);
    requireArch(bundle);
    requireSameShape(bundle.shape, await this.#parts.shapeOf(bundle.shape));
    for (;;) {
      const present = this.#present(named, bundle);
      if (present) return { template: present };
      const other = this.#underWay.get(bundle.snapshot);
      if (!other) break;
      // Should it fail, this caller's source may be a better one.
      await other.catch(() => undefined);
    }
    const fetching = this.#fetch(named, bundle, source);
    this.#underWay.set(bundle.snapshot, fetching);
    try {
      return await fetching;
    } finally {
      this.#underWay.delete(bundle.snapshot);
    }
  }

  #present({ teamId, name }: TemplateName, { snapshot, createdAt }: Bundle): Template | undefined {
    const present = this.#parts.templates.list().find((one) => one.teamId === teamId && one.name === name);
    if (present?.snapshot === snapshot) return present;
    if (present && present.createdAt > createdAt) {
      throw new WarrenError("conflict", `this host has a newer template ${name}`);
    }
    return undefined;
  }

  async #fetch({ teamId, name }: TemplateName, bundle: Bundle, source: TemplateSource) {
    const { snapshots, templates, log } = this.#parts;
    const { snapshot } = bundle;
    const began = Date.now();
    const directory = join(this.#directory, snapshot);
    const release = snapshots.hold(snapshot);
    try {
      if (!snapshots.has(snapshot)) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await this.#collectFiles(bundle, directory, source);
        const base = await this.#placeBase(bundle, directory);
        await snapshots.betweenCollections(() => this.#publish(bundle, directory, base));
      }
      // Asked again: another one of the name may have come meanwhile.
      const present = this.#present({ teamId, name }, bundle);
      if (present) return { template: present };
      const { vcpus, memoryMb } = bundle.shape;
      const sizeBytes = await snapshots.allocatedBytes(snapshot);
      const template = { teamId, name, snapshot, vcpus, memoryMb, sizeBytes, createdAt: bundle.createdAt };
      const former = await templates.put(template);
      await rm(directory, { recursive: true, force: true });
      log.info({ template: name, ms: Date.now() - began }, "a template of another host is here");
      return { template, ...(former && { former }) };
    } finally {
      release();
    }
  }

  /** Brings all files of a bundle into a directory, those that are here already as links. */
  async #collectFiles({ files, ...bundle }: Bundle, directory: string, source: TemplateSource): Promise<void> {
    const missing: BundledFile[] = [];
    for (const file of files) {
      if (!(await this.#hasFinished(directory, file)) && !(await this.#takeOwn(directory, file))) missing.push(file);
    }
    // Each is there twice while it is unpacked.
    const needed = missing.map(({ dataBytes }) => dataBytes);
    const written = await this.#parts.promiseDisk(needed.reduce((sum, bytes) => sum + bytes, Math.max(0, ...needed)));
    try {
      for (const file of missing) {
        const path = join(directory, placeOf(file));
        await download(source, file, `${path}.new`);
        await rename(`${path}.new`, path);
        await syncDirectory(directory);
      }
    } finally {
      written();
    }
    this.#parts.log.debug({ snapshot: bundle.snapshot, files: missing.length }, "the files of a template have come");
  }

  /** A file that an earlier attempt has brought, which was verified before it got its name. */
  async #hasFinished(directory: string, file: BundledFile): Promise<boolean> {
    return stat(join(directory, placeOf(file))).then(
      ({ size }) => size === file.bytes,
      () => false,
    );
  }

  /** Takes a layer that this host has; whether it does. Throws `snapshot_damaged` where it has another of the id. */
  async #takeOwn(directory: string, file: BundledFile): Promise<boolean> {
    const { memory, disks, baseImage, bundler } = this.#parts;
    if (file.kind === "base") {
      // The host's own is used where it lies.
      return (await bundler.checksumOfBase(baseImage().path)).sha256 === file.sha256 || this.#hasBase(file);
    }
    if (file.kind !== "layer" && file.kind !== "disk") return false;
    const target = join(directory, placeOf(file));
    try {
      await link(file.kind === "layer" ? memory.layerPath(file.id) : disks.path(file.id), target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
    if ((await checksumOf(target)).sha256 === file.sha256) return true;
    await rm(target);
    throw new WarrenError("snapshot_damaged", `this host has another ${file.kind} ${file.id} than the template`);
  }

  async #hasBase(file: BundledFile): Promise<boolean> {
    return stat(join(this.#bases, file.sha256)).then(
      () => true,
      () => false,
    );
  }

  /** Where the base image of a bundle lies here. */
  async #placeBase(bundle: Bundle, directory: string): Promise<BaseImage> {
    const { bundler, baseImage } = this.#parts;
    const file = fileOf(bundle, "base");
    const own = baseImage();
    const { format, virtualSize } = bundle.base;
    if ((await bundler.checksumOfBase(own.path)).sha256 === file.sha256) return { path: own.path, format, virtualSize };
    const path = join(this.#bases, file.sha256);
    if (!(await this.#hasBase(file))) {
      await mkdir(this.#bases, { recursive: true, mode: 0o700 });
      await chmod(join(directory, placeOf(file)), 0o400);
      await rename(join(directory, placeOf(file)), path);
      await syncDirectory(this.#bases);
      await syncDirectory(this.#parts.dataDirectory);
    }
    return { path, format, virtualSize };
  }

  async #publish(bundle: Bundle, directory: string, base: BaseImage): Promise<void> {
    const { memory, disks, snapshots } = this.#parts;
    const manifest = await readManifest(bundle, directory);
    const { state: _, ...draft } = manifest;
    const ends: (() => void)[] = [snapshots.expectMemory(draft.memory)];
    try {
      for (const layer of draft.disk.layers) {
        const path = join(directory, disks.fileName(layer));
        // A header that names another file would have the VMM open it.
        await readQcow2Header(path);
        await chmod(path, 0o400);
        ends.push(await disks.take(layer, path));
      }
      await importMemory(memory, draft.memory, directory);
      const state = await readFile(join(directory, placeOf(fileOf(bundle, "state"))));
      await snapshots.publish({ ...draft, disk: { ...draft.disk, base } }, state);
    } finally {
      for (const end of ends) end();
    }
  }
}

/** The manifest among the files of a bundle, which names nothing but them. */
async function readManifest(bundle: Bundle, directory: string): Promise<SnapshotManifest> {
  const text = await readFile(join(directory, placeOf(fileOf(bundle, "manifest"))), "utf8");
  const manifest = parseManifest(text, bundle.snapshot);
  requireSameShape(manifest.shape, bundle.shape);
  const disks = bundle.files.filter(({ kind }) => kind === "disk").map(({ id }) => id);
  const isWhole =
    fileOf(bundle, "header").id === manifest.memory && manifest.disk.layers.every((id) => disks.includes(id));
  if (!isWhole)
    throw new WarrenError("snapshot_damaged", "the template's manifest names files that are none of its own");
  return manifest;
}

/** Name of a file in the directory of its transfer: those of memory and disk are called as in their stores. */
function placeOf({ kind, id }: Pick<BundledFile, "kind" | "id">): string {
  const names = { manifest: "manifest.json", state: "device-state", base: "base" };
  if (kind === "manifest" || kind === "state" || kind === "base") return names[kind];
  return basename({ header: `${id}.header`, layer: `${id}.layer`, disk: `${id}.qcow2` }[kind]);
}

function absentAsNone(error: NodeJS.ErrnoException): string[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}
