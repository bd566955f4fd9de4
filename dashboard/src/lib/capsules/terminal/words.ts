import { formatBytes } from "#lib/format/bytes.ts";

/** How a command ended, as the API has it. */
export interface Exit {
  exit_code: number;
  signal?: string | undefined;
  timed_out?: boolean | undefined;
}

/** How a shell ended; `what` is another command. */
export function exitWords({ exit_code, signal, timed_out }: Exit, what = "The shell"): string {
  if (timed_out) return `${what} was ended by its time limit`;
  if (signal !== undefined) return `${what} was ended by ${signal}`;
  return exit_code === 0 ? `${what} has ended` : `${what} has ended with status ${exit_code}`;
}

/** A line of the page's own in a terminal: dim, and from the first column on. */
function note(words: string): string {
  return `\r\u001b[0;2m${words}\u001b[0m\r\n`;
}

/** Stands before output whose beginning is gone. */
export function gapNote(bytes: number): string {
  return note(`${formatBytes(bytes)} of output before this are no longer kept.`);
}

/** Stands where a connection broke while what was typed was under way. */
export function unsureNote(): string {
  return note("The connection broke: what was typed just before may not have arrived.");
}

/** Stands in shells of capsules that have no commands in the background. */
export function boundNote(): string {
  return note("What runs in this capsule was started by an earlier version: the shell ends with the page.");
}
