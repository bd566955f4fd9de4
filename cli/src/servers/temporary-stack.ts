import { Warren, WarrenError } from "@warren/sdk";
import { makePrivateDirectory } from "@warren/server/private-directory";
import { cacheDirOf, imagesDirOf } from "../arguments/data-dir.ts";
import type { Interruption } from "../terminal/interruption.ts";
import { logLine, tellsOfFailure } from "../terminal/log-line.ts";
import { describe, warn } from "../terminal/messages.ts";
import { ProgressDisplay } from "../terminal/progress.ts";
import { RunDirectory } from "./run-directory.ts";
import { type SandboxSize, Stack } from "./stack.ts";

/** Starts a stack in a directory of its own, and leaves nothing of it behind. `prepare` is the sandbox it is started for. */
export async function withTemporaryStack(
  dataDir: string,
  prepare: SandboxSize | undefined,
  interruption: Interruption,
  use: (warren: Warren) => Promise<number>,
): Promise<number> {
  await makePrivateDirectory(dataDir);
  for (const stale of await RunDirectory.findStale(dataDir)) await sweepAndRemove(stale);
  const directory = await RunDirectory.create(dataDir);
  let clean = false;
  try {
    const stack = await startStack(directory, dataDir, prepare, interruption.signal);
    // A server that dies ends everything else, with its own last words as the reason.
    void stack.failed.then((error) => interruption.abort(error));
    const warren = new Warren({ url: stack.url, apiKey: stack.apiKey });
    try {
      return await use(warren);
    } catch (error) {
      // The server says that its log has the reason, and nobody else will see that log.
      if (error instanceof WarrenError && error.status >= 500) showFailures(stack);
      throw error;
    } finally {
      warren.close();
      clean = await stack.stop();
    }
  } finally {
    await (clean ? directory.remove() : sweepAndRemove(directory));
  }
}

function showFailures(stack: Stack): void {
  for (const { server, line } of stack.logTail()) {
    if (tellsOfFailure(line)) process.stderr.write(`${logLine(server, line)}\n`);
  }
}

async function startStack(
  directory: RunDirectory,
  dataDir: string,
  prepare: SandboxSize | undefined,
  signal: AbortSignal,
): Promise<Stack> {
  const progress = new ProgressDisplay();
  try {
    return await Stack.start({
      directory: directory.path,
      imagesDir: imagesDirOf(dataDir),
      cacheDir: cacheDirOf(dataDir),
      lock: directory.lock,
      listen: "127.0.0.1:0",
      ephemeral: true,
      ...(prepare ? { prepare } : {}),
      onProgress: progress.show,
      signal,
    });
  } finally {
    progress.done();
  }
}

/** Removes what a run left that did not end in order. What cannot be removed is said, and tried again by the next run. */
async function sweepAndRemove(directory: RunDirectory): Promise<void> {
  try {
    await directory.sweep();
    await directory.remove();
  } catch (error) {
    warn(describe(error));
    directory.lock.release();
  }
}
