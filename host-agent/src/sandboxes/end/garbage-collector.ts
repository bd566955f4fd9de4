import type { Logger } from "pino";
import type { ImageCache } from "../../memory/image-cache/image-cache.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { BaseTemplates } from "../../templates/base-templates.ts";
import type { TemplateStore } from "../../templates/store.ts";
import type { SandboxRegistry } from "../state/registry.ts";

export interface GarbageCollectorParts {
  registry: SandboxRegistry;
  snapshots: SnapshotStore;
  memoryImages: ImageCache;
  templates: TemplateStore;
  baseTemplates: BaseTemplates;
  log: Logger;
}

/** Removes the snapshots, memories and disk layers that no sandbox and no template names. */
export class GarbageCollector {
  readonly #parts: GarbageCollectorParts;
  #underWay: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(parts: GarbageCollectorParts) {
    this.#parts = parts;
  }

  /** Collects some time soon; calls while a collection is under way lead to one more. */
  schedule(): void {
    if (this.#closed) return;
    if (this.#underWay) {
      this.#again = true;
      return;
    }
    this.#underWay = this.collect()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, "cannot remove what is no longer needed"))
      .finally(() => {
        this.#underWay = undefined;
        if (this.#again) {
          this.#again = false;
          this.schedule();
        }
      });
  }

  async collect(): Promise<void> {
    const { registry, snapshots, memoryImages, templates, baseTemplates } = this.#parts;
    await snapshots.collect(() => {
      const records = registry.all().map(({ record }) => record);
      return {
        snapshots: new Set([
          ...records.flatMap(({ snapshot }) => snapshot ?? []),
          ...templates.list().map(({ snapshot }) => snapshot),
          ...baseTemplates.ids(),
        ]),
        diskLayers: new Set(records.flatMap(({ disk }) => disk.layers)),
      };
    });
    await memoryImages.collect();
  }

  /** Collects no more, and waits for the collection that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay;
  }
}
