import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import type { FileLock } from "@warren/server/file-lock";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { cacheDirOf } from "../arguments/data-dir.ts";
import type { ProgressStep } from "../terminal/progress.ts";
import { LastLines } from "./last-lines.ts";
import { CONTROL_PLANE } from "./programs.ts";
import { ServerError } from "./server-process.ts";

/** Lines of its log that are kept, to be shown when it dies. */
const KEPT_LINES = 20;

/** How to run the control plane for one task. */
export interface ControlPlaneTaskOptions {
  /** The server's: its settings are those of the task. */
  dataDir: string;
  /** Lock of the data directory, which lasts as long as the task. */
  lock?: FileLock;
  /** What it prints goes to standard output. */
  prints?: boolean;
  onProgress: (step: ProgressStep) => void;
  signal: AbortSignal;
}

/** Lines of descriptor 3 (docs/processes.md). */
type Report =
  | { progress: ProgressStep }
  | { done: unknown }
  | { ready: false; error: { code: string; message: string } };

/** Runs one task of the control plane, such as `backup`, and resolves with what it has come to. */
export async function runControlPlaneTask<T>(words: string[], options: ControlPlaneTaskOptions): Promise<T> {
  const { dataDir, lock, prints, onProgress, signal } = options;
  signal.throwIfAborted();
  const child = spawn(process.execPath, [...NODE_FLAGS, CONTROL_PLANE, ...words], {
    // The settings of a data directory are in a file there.
    cwd: existsSync(dataDir) ? dataDir : "/",
    env: {
      ...process.env,
      WARREN_DATA_DIR: dataDir,
      WARREN_CACHE_DIR: cacheDirOf(dataDir),
      WARREN_READY_FD: "3",
      WARREN_EXIT_WITH_PARENT: "1",
      WARREN_EPHEMERAL: "0",
    },
    stdio: ["pipe", prints ? "inherit" : "ignore", "pipe", "pipe", lock?.fd ?? "ignore"],
    // A session of its own: the ^C of a terminal reaches this process alone, which then ends the task in order.
    detached: true,
  });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  child.stdin!.on("error", () => undefined);
  const log = new LastLines(KEPT_LINES);
  child.stderr!.setEncoding("utf8").on("data", (piece: string) => log.add(piece));
  const ended = new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, by) => resolve(by ? `by ${by}` : `with status ${status}`));
  });
  ended.catch(() => undefined);
  try {
    const report = await readReport(child.stdio[3] as Readable, onProgress);
    const how = await ended;
    signal.throwIfAborted();
    if (report === undefined) throw new ServerError(`The task ended ${how}. Its last lines:\n${log}`);
    if ("done" in report) return report.done as T;
    const { code, message } = report.error;
    throw new WarrenError(isErrorCode(code) ? code : "internal_error", message);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The last line; undefined when there is none. */
async function readReport(
  pipe: Readable,
  onProgress: (step: ProgressStep) => void,
): Promise<Exclude<Report, { progress: ProgressStep }> | undefined> {
  let last: Exclude<Report, { progress: ProgressStep }> | undefined;
  for await (const line of createInterface({ input: pipe })) {
    const report = JSON.parse(line) as Report;
    if ("progress" in report) onProgress(report.progress);
    else last = report;
  }
  return last;
}
