import type { CommandOptions, ExitStatus, Sandbox, StartOptions } from "@warren/sdk";
import { joinTerminal, terminalSize } from "../terminal/join-terminal.ts";
import { warn } from "../terminal/messages.ts";
import { attach } from "./attach.ts";
import { DescriptorOutput } from "./descriptor-output.ts";
import { BROKEN_PIPE, shellStatus } from "./exit-status.ts";

/** How a command runs that has this process's streams. */
export interface AttachedOptions {
  env?: Record<string, string>;
  cwd?: string;
  user?: string;
  /** Seconds. */
  timeout?: number;
  /** Name by which others find the command. */
  tag?: string;
  /** Pass standard input on even when it is a terminal. */
  interactive?: boolean;
  /** Run in a terminal of the sandbox; when interactive, this process's terminal becomes it. */
  tty?: boolean;
  signal: AbortSignal;
}

/** Runs a command with the standard streams of this process and resolves with the exit status for the shell. */
export async function runAttached(
  sandbox: Sandbox,
  command: string,
  args: string[],
  options: AttachedOptions,
): Promise<number> {
  const { interactive = false, tty = false } = options;
  if (tty && interactive && !process.stdin.isTTY) {
    throw new Error("-t with -i needs a terminal on standard input; leave -t out to pass a file or a pipe on.");
  }
  const withInput = interactive || (!tty && !process.stdin.isTTY);
  const start: StartOptions = { ...commandAsked(options), stdin: withInput };
  const remote = await sandbox.stream(command, args, start);
  const streams = { stdout: new DescriptorOutput(1), stderr: new DescriptorOutput(2) };
  const leave = tty ? joinTerminal(remote, interactive) : undefined;
  try {
    const exit = await attach(remote, withInput ? { ...streams, stdin: process.stdin } : streams);
    if (exit.outOfMemory) warn(outOfMemoryText(exit.outOfMemory));
    return shellStatus(exit);
  } catch (error) {
    // Nobody reads the output any more: as a local command would be, this one is ended.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return BROKEN_PIPE;
    throw error;
  } finally {
    leave?.();
  }
}

/** What is asked for of a command, for the client library. */
export function commandAsked({ env, cwd, user, timeout, tag, tty, signal }: AttachedOptions): CommandOptions {
  // Programs draw for the terminal that shows them.
  const { TERM } = process.env;
  return {
    ...(env ? { env } : {}),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(timeout === undefined ? {} : { timeoutSec: timeout }),
    ...(tag === undefined ? {} : { tag }),
    ...(tty ? { terminal: terminalSize(), env: { ...(TERM ? { TERM } : {}), ...env } } : {}),
    signal,
  };
}

function outOfMemoryText({ process: name, pid }: NonNullable<ExitStatus["outOfMemory"]>): string {
  const victim = name ? `${name} (process ${pid})` : "a process of the command";
  return `the sandbox ran out of memory, and its kernel killed ${victim}; --memory gives a sandbox more`;
}
