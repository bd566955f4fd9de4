import type { ExitStatus } from "@warren/sdk";

/** Status of `warren run` and `warren exec` when Warren itself fails, not the command. */
export const WARREN_FAILED = 125;

/** Status of a command that was killed because its time was up, as timeout(1) has it. */
const TIMED_OUT = 124;

/** Status of a process that wrote to a pipe without a reader: 128 + SIGPIPE. */
export const BROKEN_PIPE = 141;

/** Signals by the names that the guest agent gives them. */
const SIGNALS: Record<string, number> = {
  hangup: 1,
  interrupt: 2,
  quit: 3,
  "illegal instruction": 4,
  "trace/breakpoint trap": 5,
  aborted: 6,
  "bus error": 7,
  "floating point exception": 8,
  killed: 9,
  "user defined signal 1": 10,
  "segmentation fault": 11,
  "user defined signal 2": 12,
  "broken pipe": 13,
  "alarm clock": 14,
  terminated: 15,
};

/** Exit status by which a shell would know how a command ended: 128 + the signal that ended it, else its own. */
export function shellStatus(exit: ExitStatus): number {
  if (exit.timedOut) return TIMED_OUT;
  if (exit.signal === undefined) return exit.exitCode;
  const number = SIGNALS[exit.signal] ?? Number(/^signal (\d+)$/.exec(exit.signal)?.[1] ?? 0);
  return 128 + number;
}
