import type { Logger } from "pino";
import type { Remover } from "../end/remover.ts";
import { reasonOf } from "../record/reason.ts";
import type { Pauser } from "../snapshot/pauser.ts";
import type { Sandbox } from "../state/sandbox.ts";
import type { HangWatch } from "./hang-watch.ts";

export interface TimeoutParts {
  pauser: Pauser;
  remover: Remover;
  hangs: HangWatch;
  log: Logger;
}

/** Does with a sandbox whose timeout has passed what its settings say, unless it is in use again. */
export async function handleTimeout({ pauser, remover, hangs, log }: TimeoutParts, sandbox: Sandbox): Promise<void> {
  // Not "pause": whoever asks for one would join this, which may come to nothing.
  await sandbox.lifecycle.perform("inactivity", async () => {
    // A call may have come while an operation before this one was under way.
    if (sandbox.status !== "running" || !sandbox.isInactive()) return;
    const { onTimeout, timeoutSec } = sandbox.record.spec;
    log.info({ sandbox: sandbox.id, onTimeout }, "a sandbox is inactive");
    // A guest that does not answer could not be resumed: it does not take the place of a pause that can.
    const silence = sandbox.record.ownSnapshot && onTimeout === "pause" && (await hangs.silenceOf(sandbox));
    if (silence) {
      await pauser.returnToLastPause(sandbox, silence);
      return;
    }
    const reason = reasonOf("inactivity", `nothing used it for ${timeoutSec} s`);
    if (onTimeout === "destroy") await remover.end(sandbox, reason);
    else await pauser.pause(sandbox, reason);
  });
}
