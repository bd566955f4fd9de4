import { WarrenError } from "@warren/contracts/errors";
import type { MicrovmRunner } from "../microvms/microvm-runner.ts";
import type { Journal } from "../record/journal.ts";
import { endedError, type SandboxReason } from "../record/reason.ts";
import type { InactivityTimers } from "../state/inactivity-timers.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { GarbageCollector } from "./garbage-collector.ts";

export interface RemoverParts {
  journal: Journal;
  registry: SandboxRegistry;
  microvms: MicrovmRunner;
  inactivity: InactivityTimers;
  garbage: GarbageCollector;
}

/** Removes sandboxes and notes how they ended. */
export class Remover {
  readonly #parts: RemoverParts;

  constructor(parts: RemoverParts) {
    this.#parts = parts;
  }

  /**
   * Frees all that a sandbox holds, also when it is only half made; calls into it end with `reason`. On a failure its
   * record stays for the next attempt. The caller owns the sandbox's life cycle at that moment.
   */
  async remove(sandbox: Sandbox, reason: WarrenError = goneError(sandbox.id)): Promise<void> {
    const { journal, registry, microvms, inactivity, garbage } = this.#parts;
    const { record, lifecycle } = sandbox;
    if (lifecycle.status === "gone") return;
    inactivity.forget(sandbox);
    sandbox.moveTo("stopping");
    if (record.slot !== undefined) await journal.write(record);
    await microvms.stop(sandbox, reason);
    await journal.remove(record.instance);
    sandbox.moveTo("gone");
    registry.remove(sandbox);
    garbage.schedule();
  }

  /**
   * Frees all that a sandbox holds which ended by itself, and keeps its record with the reason until it is destroyed: by
   * then whoever asked for the sandbox knows. The caller owns the sandbox's life cycle at that moment.
   */
  async end(sandbox: Sandbox, reason: SandboxReason): Promise<void> {
    const { journal, registry, microvms, inactivity, garbage } = this.#parts;
    const { record } = sandbox;
    inactivity.forget(sandbox);
    sandbox.moveTo("stopping", { reason });
    const ended = endedError(sandbox.id, reason);
    // Before they find that the guest no longer answers.
    sandbox.interrupt(ended);
    await journal.write(record);
    await microvms.stop(sandbox, ended);
    await journal.clear(record.instance);
    // What it no longer needs may go: layers of its disk, its pause, secrets that were given to it.
    const { snapshot: _, ...rest } = record;
    const left = { disk: { ...record.disk, layers: [] }, token: "" };
    await journal.write({ ...rest, ...left, status: "stopped" });
    sandbox.moveTo("stopped", { ...left, snapshot: undefined });
    registry.remove(sandbox);
    registry.add(sandbox);
    garbage.schedule();
  }
}

/** What a call into a sandbox gets that has gone. */
export function goneError(id: string): WarrenError {
  return new WarrenError("not_found", `sandbox ${id} is gone`);
}
