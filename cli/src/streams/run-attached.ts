import type { ExitStatus, Sandbox, StartOptions } from "@warren/sdk";
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
  const { env, cwd, user, timeout, interactive = false, tty = false, signal } = options;
  if (tty && interactive && !process.stdin.isTTY) {
    throw new Error("-t with -i needs a terminal on standard input; leave -t out to pass a file or a pipe on.");
  }
  const withInput = interactive || (!tty && !process.stdin.isTTY);
  // Programs draw for the terminal that shows them.
  const { TERM } = process.env;
  const terminal = tty ? { terminal: terminalSize(), env: { ...(TERM ? { TERM } : {}), ...env } } : {};
  const start: StartOptions = {
    ...(env ? { env } : {}),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(timeout === undefined ? {} : { timeoutSec: timeout }),
    stdin: withInput,
    ...terminal,
    signal,
  };
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

function outOfMemoryText({ process: name, pid }: NonNullable<ExitStatus["outOfMemory"]>): string {
  const victim = name ? `${name} (process ${pid})` : "a process of the command";
  return `the sandbox ran out of memory, and its kernel killed ${victim}; --memory gives a sandbox more`;
}
