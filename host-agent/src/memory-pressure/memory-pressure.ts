import { closeSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { eventDescriptor } from "../linux/descriptors.ts";
import type { StallPollData, StallTrigger } from "./stall-poll.ts";

/**
 * A tenth of the time in which some process of the host waits for memory: far above what reading files from disk causes,
 * and far below the point at which guests are felt to be slow.
 */
const TRIGGER: StallTrigger = { path: "/proc/pressure/memory", stall: 200_000, window: 2_000_000 };

/** A watch of the memory pressure of this host. */
export interface PressureWatch {
  /** Resolves once it watches; rejects when the kernel gives no such information. */
  readonly watching: Promise<void>;
  close(): Promise<void>;
}

/** Calls `onPressure` each time that the trigger fires, while the host is short of memory. */
export function watchMemoryPressure(onPressure: () => void, trigger: StallTrigger = TRIGGER): PressureWatch {
  const wake = eventDescriptor();
  const workerData: StallPollData = { ...trigger, wake };
  const worker = new Worker(new URL("./stall-poll.ts", import.meta.url), { workerData });
  worker.unref();
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const watching = new Promise<void>((resolve, reject) => {
    worker.on("message", (message) => (message === "watching" ? resolve() : onPressure()));
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the watch of memory pressure has ended")));
  });
  // Whoever does not ask goes without.
  watching.catch(() => undefined);
  return {
    watching,
    async close() {
      worker.ref();
      writeSync(wake, new BigUint64Array([1n]));
      await ended;
      closeSync(wake);
    },
  };
}
