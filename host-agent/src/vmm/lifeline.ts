import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { type HeldProcess, type ProcessIdentity, startTicks } from "../linux/process-identity.ts";

/** How the driver holds on to a process, whether it is its child or not. */
export interface Lifeline {
  identity: ProcessIdentity;
  /** Resolves when the process has ended; never after `release`. */
  ended: Promise<void>;
  kill(): void;
  /** Lets go of the process, whether it goes on or has ended. */
  release(): void;
}

/** A process that this host agent started. Node reaps it, so its id is its own until `ended`. */
export async function childLifeline(child: ChildProcess & { pid: number }): Promise<Lifeline> {
  const ended = once(child, "exit").then(() => undefined);
  const ticks = await startTicks(child.pid);
  if (ticks === undefined) throw new WarrenError("boot_failed", "the VMM process ended as soon as it was started");
  return {
    identity: { pid: child.pid, startTicks: ticks },
    ended,
    kill: () => child.kill("SIGKILL"),
    release: () => child.unref(),
  };
}

/**
 * A process that an earlier host agent started. The kernel closes its control connection when it ends; what is left of it
 * then ends within moments, and its descriptor tells when.
 */
export function adoptedLifeline(
  held: HeldProcess,
  connection: Socket,
  warn: (message: string, cause: unknown) => void,
): Lifeline {
  let released = false;
  const ended = Promise.withResolvers<void>();
  const onClose = () => {
    if (released) return;
    held.kill();
    held.gone().then(ended.resolve, (error) => {
      warn(`the VMM process ${held.identity.pid} is given up`, error);
      ended.resolve();
    });
  };
  if (connection.closed) onClose();
  else connection.once("close", onClose);
  return {
    identity: held.identity,
    ended: ended.promise,
    kill: () => held.kill(),
    release: () => {
      released = true;
      held.release();
    },
  };
}
