import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { writeFileDurably } from "@warren/server/durable-file";
import type { DiskLayers } from "../../disk/layers.ts";
import type { MemoryStore } from "../../memory/store/store.ts";
import type { SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { Template } from "../store.ts";
import { type BundledFile, bundleText, type FileKind, parseBundle } from "./bundle.ts";
import { checksumOf, type FileChecksum, packed } from "./pack.ts";

export interface BundlerParts {
  /** Where files are put together that exist only to be sent. */
  directory: string;
  memory: MemoryStore;
  disks: DiskLayers;
  snapshots: SnapshotStore;
}

/** Gives the templates of this host away: what each is made of, and its files. */
export class TemplateBundler {
  readonly #parts: BundlerParts;
  /** Texts of bundles by snapshots, of which nothing changes. */
  readonly #texts = new Map<string, Promise<string>>();
  /** Checksums of base images, which many templates share, by path and time of the last change. */
  readonly #bases = new Map<string, Promise<FileChecksum>>();

  constructor(parts: BundlerParts) {
    this.#parts = parts;
  }

  /** The text of the bundle of a template. Reads all of its files, the first time. */
  describe({ snapshot }: Template): Promise<string> {
    let text = this.#texts.get(snapshot);
    if (!text) {
      text = this.#describe(snapshot);
      this.#texts.set(snapshot, text);
      text.catch(() => this.#texts.delete(snapshot));
    }
    return text;
  }

  /** A file of a template by its checksum, as it travels, from an offset on; throws `not_found`. */
  async *read(template: Template, sha256: string, offset: number): AsyncGenerator<Buffer> {
    const release = this.#parts.snapshots.hold(template.snapshot);
    try {
      const { files } = parseBundle(await this.describe(template));
      const file = files.find((one) => one.sha256 === sha256);
      if (!file) throw new WarrenError("not_found", "the template has no file of this checksum");
      const lease = await this.#parts.memory.lease(this.#parts.snapshots.get(template.snapshot).memory);
      try {
        yield* packed(await this.#pathOf(template.snapshot, file), offset);
      } finally {
        lease.end();
      }
    } finally {
      release();
    }
  }

  /** Checksum of a base image of this host. */
  async checksumOfBase(path: string): Promise<FileChecksum> {
    const { mtimeMs, ino, size } = await stat(path);
    const key = `${path} ${mtimeMs} ${ino} ${size}`;
    let checksum = this.#bases.get(key);
    if (!checksum) {
      checksum = checksumOf(path);
      this.#bases.set(key, checksum);
      checksum.catch(() => this.#bases.delete(key));
    }
    return checksum;
  }

  async #describe(snapshot: string): Promise<string> {
    const { memory, snapshots } = this.#parts;
    const release = snapshots.hold(snapshot);
    try {
      const { shape, createdAt, disk, memory: header } = snapshots.get(snapshot);
      const lease = await memory.lease(header);
      try {
        const named = (kind: FileKind, ...ids: string[]) => ids.map((id) => ({ kind, id }));
        const parts = [
          ...named("manifest", snapshot),
          ...named("state", snapshot),
          ...named("header", header),
          ...named("layer", ...lease.header.layers.map(({ id }) => id)),
          ...named("disk", ...disk.layers),
        ];
        const files: BundledFile[] = [];
        for (const part of parts) files.push({ ...part, ...(await checksumOf(await this.#pathOf(snapshot, part))) });
        const base = await this.checksumOfBase(disk.base.path);
        files.push({ kind: "base", id: base.sha256, ...base });
        const { format, virtualSize } = disk.base;
        const { vmm, accelerator, cpu, vcpus, memoryMb } = shape;
        const machine = { vmm, accelerator, cpu, vcpus, memoryMb };
        const about = { arch: process.arch, snapshot, shape: machine, createdAt, base: { format, virtualSize } };
        return bundleText({ ...about, files });
      } finally {
        lease.end();
      }
    } finally {
      release();
    }
  }

  async #pathOf(snapshot: string, { kind, id }: Pick<BundledFile, "kind" | "id">): Promise<string> {
    const { memory, disks, snapshots } = this.#parts;
    switch (kind) {
      case "manifest":
        return this.#writeManifest(snapshots.get(snapshot));
      case "state":
        return snapshots.deviceState(snapshot);
      case "header":
        return memory.headerPath(id);
      case "layer":
        return memory.layerPath(id);
      case "disk":
        return disks.path(id);
      case "base":
        return snapshots.get(snapshot).disk.base.path;
    }
  }

  /** The manifest as every host has it, but for where the base image lies. */
  async #writeManifest({
    version,
    id,
    createdAt,
    shape,
    memory,
    disk,
    token,
    state,
  }: SnapshotManifest): Promise<string> {
    const { vmm, accelerator, cpu, vcpus, memoryMb } = shape;
    const { layers, base } = disk;
    const sent: SnapshotManifest = {
      ...{ version, id, createdAt, shape: { vmm, accelerator, cpu, vcpus, memoryMb }, memory },
      ...{ disk: { layers, base: { path: "", format: base.format, virtualSize: base.virtualSize } }, token },
      state: { crc32: state.crc32, bytes: state.bytes },
    };
    const path = join(this.#parts.directory, `${id}.manifest`);
    await mkdir(this.#parts.directory, { recursive: true, mode: 0o700 });
    await writeFileDurably(path, JSON.stringify(sent));
    return path;
  }
}
