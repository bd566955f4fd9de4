import type { ProcessEvent_EndEvent } from "@warren/contracts/gen/process/process_pb";
import { SIGNALS } from "@warren/contracts/signals";
import { refused } from "./errors.ts";
import { guestText } from "./guest-text.ts";

/** How a command ended. */
export interface CommandExit {
  /** Exit status as a shell gives it: 128 + n when signal n ended the command. */
  exitCode: number;
  /** Name of that signal, such as "SIGKILL"; empty otherwise. */
  signal: string;
  /** Whether its time limit passed before. */
  timedOut: boolean;
  /** A process of it that was killed because memory ran out; its name is empty and its id 0 when they are not known. */
  outOfMemory?: { process: string; pid: number };
}

/** Characters of a process's name, of which the kernel keeps 15 bytes. */
const NAME_CHARACTERS = 64;

/** First real-time signal (signal(7), with the two that glibc keeps to itself), and the last one. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

const NAMES = new Map<number, string>(Object.entries(SIGNALS).map(([name, number]) => [number, name]));

/** Texts by which guest agents of sandboxes that were paused long ago name signals; they send no numbers. */
const TEXTS = new Map<string, number>(
  Object.entries({
    hangup: SIGNALS.SIGHUP,
    interrupt: SIGNALS.SIGINT,
    quit: SIGNALS.SIGQUIT,
    "illegal instruction": SIGNALS.SIGILL,
    aborted: SIGNALS.SIGABRT,
    "bus error": SIGNALS.SIGBUS,
    "floating point exception": SIGNALS.SIGFPE,
    killed: SIGNALS.SIGKILL,
    "segmentation fault": SIGNALS.SIGSEGV,
    "broken pipe": SIGNALS.SIGPIPE,
    "alarm clock": SIGNALS.SIGALRM,
    terminated: SIGNALS.SIGTERM,
  }),
);

/**
 * The exit of a command by the guest agent's last event; `mayBeLate` tells whether its time can have been up. Throws
 * `agent_error` when it is none.
 */
export function commandExit(end: ProcessEvent_EndEvent, mayBeLate: boolean): CommandExit {
  const timedOut = end.timedOut && mayBeLate;
  const memory = end.outOfMemory && {
    outOfMemory: { process: guestText(end.outOfMemory.process).slice(0, NAME_CHARACTERS), pid: end.outOfMemory.pid },
  };
  // Eight bits are all that a process can say (wait(2)).
  if (end.exited && (end.exitCode < 0 || end.exitCode > 255)) throw refused("no exit status is such a number");
  if (end.exited) return { exitCode: end.exitCode, signal: "", timedOut, ...memory };
  const text = end.status.replace(/^signal: /, "").replace(/ \(core dumped\)$/, "");
  const signal = end.signal <= SIGRTMAX ? end.signal : 0;
  return { ...exitBySignal(signal || (TEXTS.get(text) ?? 0), timedOut), ...memory };
}

/** The exit of a command that a signal ended. */
export function exitBySignal(number: number, timedOut: boolean): CommandExit {
  return { exitCode: 128 + number, signal: signalName(number), timedOut };
}

function signalName(number: number): string {
  return NAMES.get(number) ?? (number >= SIGRTMIN ? `SIGRTMIN+${number - SIGRTMIN}` : "unknown");
}
