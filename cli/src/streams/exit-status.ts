import type { ExitStatus } from "@warren/sdk";

/** Status of `warren run` and `warren exec` when Warren itself fails, not the command. */
export const WARREN_FAILED = 125;

/** Status of a command that was killed because its time was up, as timeout(1) has it. */
const TIMED_OUT = 124;

/** Status of a process that wrote to a pipe without a reader: 128 + SIGPIPE. */
export const BROKEN_PIPE = 141;

/** Exit status by which a shell would know how a command ended. */
export function shellStatus(exit: ExitStatus): number {
  return exit.timedOut ? TIMED_OUT : exit.exitCode;
}
