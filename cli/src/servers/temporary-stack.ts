import { mkdir } from "node:fs/promises";
import { Warren } from "@warren/sdk";
import { cacheDirOf, imagesDirOf } from "../arguments/data-dir.ts";
import type { Interruption } from "../terminal/interruption.ts";
import { ProgressDisplay } from "../terminal/progress.ts";
import { RunDirectory } from "./run-directory.ts";
import { Stack } from "./stack.ts";

/** Starts a stack in a directory of its own, and leaves nothing of it behind. */
export async function withTemporaryStack(
  dataDir: string,
  interruption: Interruption,
  use: (warren: Warren) => Promise<number>,
): Promise<number> {
  await mkdir(dataDir, { recursive: true, mode: 0o755 });
  await sweepStale(dataDir);
  const directory = await RunDirectory.create(dataDir);
  const progress = new ProgressDisplay();
  let clean = false;
  try {
    const stack = await Stack.start({
      directory: directory.path,
      imagesDir: imagesDirOf(dataDir),
      cacheDir: cacheDirOf(dataDir),
      lock: directory.lock,
      listen: "127.0.0.1:0",
      ephemeral: true,
      onProgress: progress.show,
      signal: interruption.signal,
    });
    progress.done();
    // A server that dies ends everything else, with its own last words as the reason.
    void stack.failed.then((error) => interruption.abort(error));
    const warren = new Warren({ url: stack.url, apiKey: stack.apiKey });
    try {
      return await use(warren);
    } finally {
      warren.close();
      clean = await stack.stop();
    }
  } finally {
    progress.done();
    if (!clean) await directory.sweep();
    await directory.remove();
  }
}

/** Removes what runs left that were killed. */
async function sweepStale(dataDir: string): Promise<void> {
  for (const stale of await RunDirectory.findStale(dataDir)) {
    await stale.sweep();
    await stale.remove();
  }
}
