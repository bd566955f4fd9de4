import { WarrenError } from "@warren/contracts/errors";
import type { Garbage } from "./garbage.ts";
import type { InactivityTimers } from "./inactivity.ts";
import type { Journal } from "./journal.ts";
import type { Microvms } from "./microvm.ts";
import type { SandboxRegistry } from "./registry.ts";
import type { Sandbox } from "./sandbox.ts";

export interface RemovalParts {
  journal: Journal;
  registry: SandboxRegistry;
  microvms: Microvms;
  inactivity: InactivityTimers;
  garbage: Garbage;
}

/** Removes sandboxes. */
export class Removal {
  readonly #parts: RemovalParts;

  constructor(parts: RemovalParts) {
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
    if (lifecycle.status !== "stopping") lifecycle.transition("stopping");
    record.status = "stopping";
    if (record.slot !== undefined) await journal.write(record);
    await microvms.stop(sandbox, reason);
    await journal.remove(record.instance);
    lifecycle.transition("gone");
    registry.remove(sandbox);
    garbage.schedule();
  }
}

/** What a call into a sandbox gets that has gone. */
export function goneError(id: string): WarrenError {
  return new WarrenError("not_found", `sandbox ${id} is gone`);
}
