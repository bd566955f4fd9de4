import { LRUCache } from "lru-cache";
import type { SandboxChanges } from "./sandbox-changes.ts";
import type { SandboxLocation, SandboxStore } from "./sandbox-store.ts";

/** Milliseconds for which the location of a running sandbox is reused: other control planes change sandboxes too. */
const CACHE_MS = 2000;
const CACHE_ENTRIES = 10_000;

/** Where sandboxes are. Those of running ones are kept for a moment, unless the sandbox changes meanwhile. */
export class SandboxLocations {
  readonly #kept: LRUCache<string, SandboxLocation>;

  constructor(store: SandboxStore, changes: SandboxChanges) {
    this.#kept = new LRUCache<string, SandboxLocation>({
      max: CACHE_ENTRIES,
      ttl: CACHE_MS,
      // A location that is forgotten during its look-up still answers the calls that wait for it, and is not kept.
      ignoreFetchAbort: true,
      fetchMethod: (id) => store.locate(id),
    });
    changes.subscribe((id) => this.#kept.delete(id));
  }

  /** Undefined when there is no such sandbox. */
  async find(id: string): Promise<SandboxLocation | undefined> {
    const location = await this.#kept.fetch(id);
    if (location?.status !== "running") this.#kept.delete(id);
    return location;
  }

  /** As `find`, past what is kept. */
  findAnew(id: string): Promise<SandboxLocation | undefined> {
    this.#kept.delete(id);
    return this.find(id);
  }
}
