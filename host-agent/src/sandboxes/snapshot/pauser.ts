import { WarrenError } from "@warren/contracts/errors";
import type { Logger } from "pino";
import { mergeDue, mergeLayers } from "../../memory/store/merge.ts";
import type { MemoryStore } from "../../memory/store/store.ts";
import type { SnapshotManifest } from "../../snapshots/manifest.ts";
import type { SnapshotStore } from "../../snapshots/store.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import type { GarbageCollector } from "../end/garbage-collector.ts";
import type { MicrovmRunner } from "../microvms/microvm-runner.ts";
import type { Journal, SandboxRecord } from "../record/journal.ts";
import type { SandboxReason } from "../record/reason.ts";
import type { Admission } from "../start/admission.ts";
import type { InactivityTimers } from "../state/inactivity-timers.ts";
import { noteRunning } from "../state/running.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { DiskMerger } from "./disk-merger.ts";
import type { Snapshotter } from "./snapshotter.ts";

export interface PauserParts {
  journal: Journal;
  memory: MemoryStore;
  snapshots: SnapshotStore;
  microvms: MicrovmRunner;
  snapshotter: Snapshotter;
  admission: Admission;
  inactivity: InactivityTimers;
  garbage: GarbageCollector;
  diskMerger: DiskMerger;
  space: DiskSpace;
  log: Logger;
}

/** Pauses sandboxes to disk and resumes them. The caller owns the sandbox's life cycle at that moment. */
export class Pauser {
  readonly #parts: PauserParts;

  constructor(parts: PauserParts) {
    this.#parts = parts;
  }

  /** Writes a running sandbox to disk and frees its microVM; with a reason unless asked to. On a failure it runs on. */
  async pause(sandbox: Sandbox, reason?: SandboxReason): Promise<void> {
    const { journal, snapshotter, snapshots, microvms, inactivity, garbage } = this.#parts;
    const { record, lifecycle } = sandbox;
    const { reason: former } = record;
    sandbox.moveTo("pausing");
    let snapshot: SnapshotManifest;
    const reserved = snapshots.reserve();
    try {
      await lifecycle.step("journal", () => journal.write(record));
      const copy = await snapshotter.stopAndCopy(sandbox);
      try {
        snapshot = await copy.publish(reserved.id);
        const published = snapshot;
        await lifecycle.step("journal", () => this.#record(sandbox, published, reason));
      } catch (error) {
        await snapshotter.release(sandbox);
        throw error;
      }
    } catch (error) {
      sandbox.moveTo("running", { reason: former });
      await journal.write(record);
      garbage.schedule();
      throw error;
    } finally {
      reserved.release();
    }
    inactivity.forget(sandbox);
    // From here on the sandbox is paused whatever happens: a microVM that does not go is removed by the next start.
    const why = reason ? `: ${reason.message}` : "";
    await microvms.stop(sandbox, new WarrenError("invalid_state", `sandbox ${sandbox.id} was paused${why}`));
    await lifecycle.step("merge", () => this.#merge(record, snapshot));
    record.diskBytes = await snapshots.bytesAboveTemplate(snapshot.id);
    await journal.write(record);
    garbage.schedule();
  }

  /** Continues a paused sandbox where it stood. On a failure it stays paused. */
  async resume(sandbox: Sandbox, timeoutSec: number | undefined): Promise<void> {
    const { journal, snapshots, microvms, admission, garbage, space } = this.#parts;
    const { record } = sandbox;
    const { disk, spec, lastActiveAt, reason } = record;
    const snapshot = snapshots.get(record.snapshot ?? "");
    await this.#clearFormer(sandbox);
    const settings = timeoutSec === undefined ? {} : { spec: { ...spec, timeoutSec } };
    await sandbox.lifecycle.step("admission", async () => {
      await space.requireAccess();
      await admission.require(sandbox, () => sandbox.moveTo("resuming", settings));
    });
    try {
      await microvms.restore(sandbox, snapshot.id);
      delete record.reason;
      await noteRunning(this.#parts, sandbox);
    } catch (error) {
      const gone = new WarrenError("invalid_state", `sandbox ${sandbox.id} did not resume`);
      // What does not go is in the record, and goes before the next resume.
      await microvms.stop(sandbox, gone).catch((failure: unknown) => this.#noteLeft(sandbox, failure));
      sandbox.moveTo("paused", { disk, spec, lastActiveAt, reason });
      await journal.write(record);
      garbage.schedule();
      throw explainFailure(error, sandbox.id);
    }
  }

  /** Gives up what a running sandbox did since its last pause, which it returns to. */
  async rollback(sandbox: Sandbox): Promise<void> {
    if (!sandbox.record.ownSnapshot) {
      throw new WarrenError(
        "invalid_state",
        `sandbox ${sandbox.id} was never paused: there is no state that it could return to`,
      );
    }
    await this.returnToLastPause(sandbox);
  }

  /**
   * Brings a sandbox whose microVM is gone, or is to go, back to its last pause. `reason`: nobody asked for it. It is paused
   * even if the microVM does not go, which this throws; the next resume tries again.
   */
  async returnToLastPause(sandbox: Sandbox, reason?: SandboxReason): Promise<void> {
    const { journal, snapshots, microvms, inactivity, garbage, log } = this.#parts;
    const { record } = sandbox;
    const { status } = record;
    if (status !== "paused") log.warn({ sandbox: record.id, reason }, "a sandbox returns to its last pause");
    inactivity.forget(sandbox);
    const why = reason?.message ?? "it was rolled back";
    const gone = new WarrenError("invalid_state", `sandbox ${record.id} went back to its last pause: ${why}`);
    const [stopped] = await Promise.allSettled([microvms.stop(sandbox, gone)]);
    const { snapshot } = record;
    const disk = snapshot && snapshots.has(snapshot) ? snapshots.get(snapshot).disk : record.disk;
    // One that was paused, or not yet back, has lost nothing and keeps what it was paused for.
    const hasLost = status === "running" || status === "pausing";
    sandbox.moveTo("paused", { disk, reason: hasLost ? reason : record.reason });
    await journal.write(record);
    garbage.schedule();
    if (stopped.status === "rejected") throw stopped.reason;
  }

  /** Ends what is left of a microVM that did not go when the sandbox left it. */
  async #clearFormer(sandbox: Sandbox): Promise<void> {
    const { id, record } = sandbox;
    if (record.slot === undefined && !record.memory) return;
    try {
      await this.#parts.microvms.stop(sandbox, new WarrenError("invalid_state", `sandbox ${id} is paused`));
    } catch (error) {
      this.#noteLeft(sandbox, error);
      throw new WarrenError(
        "internal_error",
        `sandbox ${id} did not resume: its former microVM could not be cleared away, and the log of the host agent says why. It stays paused as it was; try again, or tell the operator of the host`,
        { cause: error },
      );
    }
    // Its slot may be another's from here on, whatever becomes of the resume.
    await this.#parts.journal.write(record);
  }

  #noteLeft(sandbox: Sandbox, error: unknown): void {
    this.#parts.log.error(
      { sandbox: sandbox.id, err: error },
      "the microVM of a paused sandbox cannot be cleared away",
    );
  }

  /** The step that makes it a paused sandbox. The record still names the microVM, which has yet to be ended. */
  async #record(sandbox: Sandbox, snapshot: SnapshotManifest, reason: SandboxReason | undefined): Promise<void> {
    const { record } = sandbox;
    // That memory ran out is no reason for the pause that a caller asks for.
    if (!reason && record.reason?.code === "out_of_memory") delete record.reason;
    const paused = {
      snapshot: snapshot.id,
      ownSnapshot: true,
      ...(reason && { reason }),
      lastActiveAt: sandbox.lastActiveAt,
    };
    await this.#parts.journal.write({ ...record, ...paused, status: "paused" });
    sandbox.moveTo("paused", paused);
  }

  /** Bounds how many layers the memory and the disk of a paused sandbox rest on. Its content stays the same. */
  async #merge(record: SandboxRecord, snapshot: SnapshotManifest): Promise<void> {
    const { journal, memory, diskMerger, space, log } = this.#parts;
    try {
      // A merge takes the space of what it merges once more.
      if ((await space.left()) <= 0) return;
      await diskMerger.mergeIfDeep(record, journal);
      if (await mergeDue(memory, snapshot.memory)) await mergeLayers(memory, snapshot.memory);
    } catch (error) {
      // The layers are as good as before, only many; the next pause tries again.
      log.warn({ sandbox: record.id, err: error }, "the layers of a paused sandbox could not be merged");
    }
  }
}

/** Says of a guest that did not wake up, or not as it should, that nothing of it is lost. */
function explainFailure(error: unknown, id: string): unknown {
  if (!(error instanceof WarrenError)) return error;
  if (error.code !== "guest_unreachable" && error.code !== "agent_error") return error;
  const why = error.code === "agent_error" ? error.message : "its guest agent did not confirm its identity";
  const message = `sandbox ${id} did not resume: ${why}. It stays paused as it was; try again, or destroy it`;
  return new WarrenError(error.code, message, { cause: error });
}
