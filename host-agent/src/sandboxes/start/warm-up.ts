import { WarrenError } from "@warren/contracts/errors";
import type { GuestClient } from "../../guest/client.ts";

/** A command that is run before somebody asks. */
export interface WarmUpCommand {
  cmd: string;
  args: string[];
}

/** The shell and the interpreter that most callers start with. */
export const WARM_UP: readonly WarmUpCommand[] = [
  { cmd: "sh", args: ["-c", "true"] },
  { cmd: "python3", args: ["-c", "pass"] },
];
const LIMIT_MS = 60_000;

/** Runs commands in a guest that nobody uses yet: the next run of the same ones finds their files and their code ready. */
export async function warmUp(
  guest: GuestClient,
  commands: readonly WarmUpCommand[],
  signal?: AbortSignal,
): Promise<void> {
  for (const command of commands) {
    const events = guest.commands.run({ ...command, env: {}, timeoutMs: LIMIT_MS, stdin: false }, signal);
    for await (const event of events) {
      if (event.type === "ended" && event.exitCode !== 0) {
        throw new WarrenError("boot_failed", `${command.cmd} ended with status ${event.exitCode} in a new sandbox`);
      }
    }
  }
}
