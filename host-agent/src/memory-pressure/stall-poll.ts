import { closeSync, openSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { POLLERR, POLLIN, POLLPRI, poll } from "../linux/poll.ts";

/**
 * A trigger of pressure stall information (docs.kernel.org, accounting/psi): it fires when processes have stalled for so
 * long within a window of so long.
 */
export interface StallTrigger {
  /** Such as /proc/pressure/memory. */
  path: string;
  /** Microseconds. */
  stall: number;
  /** Microseconds; without CAP_SYS_RESOURCE the kernel takes multiples of 2,000,000 only. */
  window: number;
}

/** What the thread is started with. */
export interface StallPollData extends StallTrigger {
  /** Descriptor that becomes readable when the thread is to end. */
  wake: number;
}

/**
 * Body of a thread that sleeps in poll(2) and sends a message each time that the trigger fires, which is at most once a
 * window. Node's own loop cannot wait for the kind of event that the kernel gives here.
 */
function watch({ path, stall, window, wake }: StallPollData): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, `some ${stall} ${window}\0`);
    parentPort?.postMessage("watching");
    for (;;) {
      const set = [
        { fd, events: POLLPRI, revents: 0 },
        { fd: wake, events: POLLIN, revents: 0 },
      ];
      poll(set);
      const [pressure = 0, end = 0] = set.map(({ revents }) => revents);
      if (end !== 0) return;
      if (pressure & POLLERR) throw new Error("the source of pressure stall information has gone");
      parentPort?.postMessage("stalled");
    }
  } finally {
    closeSync(fd);
  }
}

if (parentPort) watch(workerData as StallPollData);
