import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "pino";
import type { SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { GarbageCollector } from "../end/garbage-collector.ts";
import { requireSandboxId } from "../record/new-sandbox.ts";
import type { Starter } from "../start/starter.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { Snapshotter } from "./snapshotter.ts";

export interface ForkerParts {
  snapshots: SnapshotStore;
  registry: SandboxRegistry;
  starter: Starter;
  snapshotter: Snapshotter;
  garbage: GarbageCollector;
  log: Logger;
}

/** Starts copies of running sandboxes. */
export class Forker {
  readonly #parts: ForkerParts;

  constructor(parts: ForkerParts) {
    this.#parts = parts;
  }

  /** Starts copies of a running sandbox from one stop of it. Gives each copy, or the reason why there is none. */
  async fork(parent: Sandbox, forkIds: readonly string[]): Promise<(Sandbox | WarrenError)[]> {
    const { snapshots, registry, starter, snapshotter, garbage, log } = this.#parts;
    if (new Set(forkIds).size < forkIds.length) throw new WarrenError("invalid_request", "two copies have the same id");
    for (const forkId of forkIds) {
      requireSandboxId(forkId);
      registry.requireFree(forkId);
    }
    parent.requireRunning();
    const reserved = snapshots.reserve();
    try {
      let snapshot: Promise<SnapshotManifest> | undefined;
      // Asked for by the first copy for which there is room.
      const stopOnce = () =>
        (snapshot ??= parent.lifecycle.perform("fork", async () => {
          parent.requireRunning();
          return snapshotter.snapshotAndContinue(parent, reserved.id);
        }));
      const { teamId, spec } = parent.record;
      // The copies are there from the beginning: one of which the host knows nothing is one that nobody makes.
      const starts = forkIds.map((forkId) =>
        starter.start({ id: forkId, teamId, spec }, async () => (await stopOnce()).id),
      );
      const ends = await Promise.allSettled(starts);
      await snapshot;
      return ends.map((result) => {
        if (result.status === "fulfilled") return result.value;
        if (result.reason instanceof WarrenError) return result.reason;
        log.error({ parent: parent.id, err: result.reason }, "a copy did not start");
        return new WarrenError("internal_error", "the copy did not start; the log of the host agent says why");
      });
    } finally {
      reserved.release();
      garbage.schedule();
    }
  }
}
