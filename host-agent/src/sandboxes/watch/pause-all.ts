import type { Logger } from "pino";
import type { DiskSpace } from "../capacity/disk-space.ts";
import { reasonOf, type SandboxReason } from "../record/reason.ts";
import type { Pauser } from "../snapshot/pauser.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { HangWatch } from "./hang-watch.ts";

/** Sandboxes that are paused at the same time: enough to keep a disk busy. The others run until it is their turn. */
const AT_ONCE = 4;

export interface PauseAllParts {
  registry: SandboxRegistry;
  pauser: Pick<Pauser, "pause">;
  hangs: Pick<HangWatch, "silenceOf">;
  space: Pick<DiskSpace, "requireLeft">;
  log: Logger;
}

/**
 * Pauses every sandbox that runs, for a reason that its owner will be told. What cannot be paused runs on; once `stop` aborts,
 * pauses under way go on and no other begins. Never rejects.
 */
export async function pauseAll(
  parts: PauseAllParts,
  { code, message }: Omit<SandboxReason, "at">,
  stop: AbortSignal,
): Promise<void> {
  const { registry, log } = parts;
  const waiting = registry.list();
  const next = async (): Promise<void> => {
    for (let sandbox = waiting.pop(); sandbox && !stop.aborted; sandbox = waiting.pop()) {
      const { id } = sandbox;
      try {
        await pauseOne(parts, sandbox, () => reasonOf(code, message), stop);
      } catch (error) {
        if (!sandbox.lifecycle.destroySignal.aborted)
          log.warn({ sandbox: id, err: error }, "a sandbox that should be paused runs on");
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

async function pauseOne(
  { pauser, hangs, space, log }: PauseAllParts,
  sandbox: Sandbox,
  reason: () => SandboxReason,
  stop: AbortSignal,
): Promise<void> {
  // Not "pause": whoever asks for one would join this, which may come to nothing.
  await sandbox.lifecycle.perform("pause_all", async () => {
    // One that is held stands still already, and takes no pause.
    if (stop.aborted || sandbox.status !== "running") return;
    // A guest that does not answer could not be resumed: it does not take the place of a pause that can.
    if (await hangs.silenceOf(sandbox)) return;
    // A guest is not stopped for a pause that cannot be.
    await space.requireLeft();
    await pauser.pause(sandbox, reason());
    log.info({ sandbox: sandbox.id, reason: reason().code }, "a sandbox is paused");
  });
}
