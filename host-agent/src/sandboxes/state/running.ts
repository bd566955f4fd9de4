import type { Journal } from "../record/journal.ts";
import type { InactivityTimers } from "./inactivity-timers.ts";
import type { Sandbox } from "./sandbox.ts";

/** The microVM of a sandbox runs and has confirmed its identity: so does the sandbox, from now on. */
export async function noteRunning(
  { journal, inactivity }: { journal: Journal; inactivity: InactivityTimers },
  sandbox: Sandbox,
): Promise<void> {
  sandbox.touch();
  sandbox.moveTo("running", { lastActiveAt: sandbox.lastActiveAt });
  await sandbox.lifecycle.step("journal", () => journal.write(sandbox.record));
  inactivity.watch(sandbox);
}
