import { Worker } from "node:worker_threads";

/** Milliseconds between two signs of life, and between two looks for one. */
const BEAT_MS = 2_000;
const LOOK_MS = 10_000;
/** Looks in a row that find no sign of life before the process is ended: it may have been stopped and continued. */
const MISSES = 3;

/** Runs beside the main thread, with nothing in common but the counter of its beats. */
const WATCHER = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const { beats, lookMs, misses } = workerData;
for (let last = -1, missed = 0; missed < misses; ) {
  Atomics.wait(beats, 1, 0, lookMs);
  const now = Atomics.load(beats, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
}
writeSync(2, "the control plane has not reacted for " + (lookMs * misses) / 1000 + " s and ends; start it again\\n");
process.kill(process.pid, "SIGKILL");
`;

/**
 * Ends this process when its main thread no longer reacts, such as in an endless loop inside the embedded database, which
 * keeps signals and the end of the supervisor from being noticed. Goes on until the result is called.
 */
export function watchEventLoop({ lookMs = LOOK_MS, misses = MISSES } = {}): () => Promise<void> {
  const beats = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(WATCHER, { eval: true, workerData: { beats, lookMs, misses }, execArgv: [] });
  worker.unref();
  const beat = setInterval(() => Atomics.add(beats, 0, 1), Math.min(BEAT_MS, lookMs / 2));
  beat.unref();
  return async () => {
    clearInterval(beat);
    await worker.terminate();
  };
}
