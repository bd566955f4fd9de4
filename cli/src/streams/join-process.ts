import type { SandboxProcess } from "@warren/sdk";
import { DetachKeys } from "../terminal/detach-keys.ts";
import { joinTerminal } from "../terminal/join-terminal.ts";
import { warn } from "../terminal/messages.ts";
import { attach } from "./attach.ts";
import { DescriptorOutput } from "./descriptor-output.ts";
import { BROKEN_PIPE, shellStatus } from "./exit-status.ts";

/**
 * Gives a command that was joined the standard streams of this process, until it ends or one leaves it; resolves with the exit
 * status for the shell. Input is passed on when it is a terminal, or with `interactive`; its end is none of the command's, which
 * others may have joined.
 */
export async function joinProcess(joined: SandboxProcess, interactive: boolean): Promise<number> {
  if (joined.dropped > 0) warn(`${joined.dropped} bytes of its output are not kept any more`);
  const isOnTerminal = joined.terminal && process.stdin.isTTY && process.stdout.isTTY;
  let isDetached = false;
  const keys = new DetachKeys(() => {
    isDetached = true;
    // What was typed before is passed on first, unless the command has more than it takes.
    if (joined.stdin.writableNeedDrain) joined.close();
    else keys.once("end", () => joined.close());
  });
  if (interactive || process.stdin.isTTY) {
    const typed = isOnTerminal ? process.stdin.pipe(keys) : process.stdin;
    typed.pipe(joined.stdin, { end: false }).on("error", () => undefined);
  }
  const leave = isOnTerminal ? joinTerminal(joined, true) : undefined;
  try {
    return shellStatus(await attach(joined, { stdout: new DescriptorOutput(1), stderr: new DescriptorOutput(2) }));
  } catch (error) {
    if (isDetached) return 0;
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return BROKEN_PIPE;
    throw error;
  } finally {
    leave?.();
    // What stood on the terminal last is an unfinished line of the command's.
    if (isDetached) process.stderr.write("\n");
    if (isDetached) warn("left the command, which goes on: 'warren attach' joins it again");
  }
}
