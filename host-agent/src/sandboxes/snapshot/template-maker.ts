import type { Logger } from "pino";
import type { ImageCache } from "../../memory/image-cache/image-cache.ts";
import type { SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { BaseTemplates } from "../../templates/base-templates.ts";
import type { Template, TemplateStore } from "../../templates/store.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import type { GarbageCollector } from "../end/garbage-collector.ts";
import type { WarmPool } from "../start/warm-pool.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { Snapshotter } from "./snapshotter.ts";

export interface TemplateMakerParts {
  templates: TemplateStore;
  baseTemplates: BaseTemplates;
  snapshots: SnapshotStore;
  memoryImages: ImageCache;
  snapshotter: Snapshotter;
  warmPool: WarmPool;
  garbage: GarbageCollector;
  space: DiskSpace;
  log: Logger;
}

/** Makes templates of sandboxes, and removes them. */
export class TemplateMaker {
  readonly #parts: TemplateMakerParts;

  constructor(parts: TemplateMakerParts) {
    this.#parts = parts;
  }

  /** Makes a template of a running or paused sandbox, which stays what it was. */
  async make(sandbox: Sandbox, teamId: string, name: string, overwrite: boolean): Promise<Template> {
    const { templates, snapshots, memoryImages, warmPool, space, garbage, log } = this.#parts;
    templates.requireFree(teamId, name, overwrite);
    await space.promise(0);
    const reserved = snapshots.reserve();
    try {
      const manifest = await sandbox.lifecycle.perform("snapshot", () => this.#snapshot(sandbox, reserved.id));
      templates.requireFree(teamId, name, overwrite);
      const { shape, createdAt, memory } = manifest;
      const sizeBytes = await snapshots.allocatedBytes(manifest.id);
      const size = { vcpus: shape.vcpus, memoryMb: shape.memoryMb, sizeBytes };
      const template = { teamId, name, snapshot: manifest.id, ...size, createdAt };
      const former = await templates.put(template);
      if (former) await warmPool.empty(former.snapshot);
      // Sandboxes will start from it: what they map is put together ahead of the first.
      memoryImages.prepare(memory).catch((error: unknown) => {
        log.warn({ template: name, err: error }, "the memory of a template could not be prepared");
      });
      return template;
    } finally {
      reserved.release();
      garbage.schedule();
    }
  }

  /**
   * Removes a template, only the one of a certain snapshot where that is named; sandboxes that were started from it are not
   * affected.
   */
  async remove(teamId: string, name: string, only?: string): Promise<void> {
    const { templates, warmPool, garbage } = this.#parts;
    const { snapshot } = only === undefined ? templates.get(teamId, name) : templates.getExact(teamId, name, only);
    await templates.remove(teamId, name);
    await warmPool.empty(snapshot);
    garbage.schedule();
  }

  /** Whether new sandboxes start from a snapshot: its template may have been replaced or deleted meanwhile. */
  isInUse(snapshot: string): boolean {
    const { templates, baseTemplates } = this.#parts;
    return (
      baseTemplates.ids().includes(snapshot) || templates.list().some((template) => template.snapshot === snapshot)
    );
  }

  async #snapshot(sandbox: Sandbox, id: string): Promise<SnapshotManifest> {
    const { snapshots, snapshotter } = this.#parts;
    const { lifecycle, record } = sandbox;
    lifecycle.require("running", "paused");
    if (lifecycle.status === "paused") {
      return lifecycle.step("publish", () => snapshots.duplicate(record.snapshot ?? "", id));
    }
    sandbox.requireRunning();
    return snapshotter.snapshotAndContinue(sandbox, id);
  }
}
