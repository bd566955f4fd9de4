import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Keeping, keepRunning, type Running } from "./keep-running.ts";

interface Process extends Running {
  end(how: string): void;
}

let started: Process[];
let stop: AbortController;
let lines: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  started = [];
  stop = new AbortController();
  lines = [];
});
afterEach(() => vi.useRealTimers());

function start(): Process {
  const { promise, resolve } = Promise.withResolvers<string>();
  const process = { ended: promise, end: resolve };
  started.push(process);
  return process;
}

function keep(more: Partial<Keeping<Process>> = {}): Promise<void> {
  return keepRunning(start(), {
    name: "the server",
    start: async () => start(),
    end: async () => void lines.push("asked to end"),
    signal: stop.signal,
    log: { error: (_, message) => void lines.push(message), warn: (message) => void lines.push(message) },
    ...more,
  });
}

/** Ends what runs and resolves with the milliseconds after which another was started. */
async function restart(): Promise<number> {
  const [before, since] = [started.length, performance.now()];
  started.at(-1)!.end("by SIGKILL");
  await turn();
  while (started.length === before && vi.getTimerCount() > 0) await vi.advanceTimersToNextTimerAsync();
  return performance.now() - since;
}

test("what ends by itself is started again, later each time, until it has run for a while", async () => {
  const kept = keep();
  expect([await restart(), await restart(), await restart()]).toEqual([100, 200, 400]);
  expect(lines.slice(0, 2)).toEqual(["the server ended by SIGKILL", "the server runs again"]);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(await restart()).toBe(100);
  stop.abort();
  await kept;
  expect(lines.at(-1)).toBe("asked to end");
});

test("what cannot be started is tried again, and given up in the end with the reason", async () => {
  let tries = 0;
  const kept = keep({
    start: async () => {
      tries += 1;
      throw new Error(`no ${tries}`);
    },
  });
  const refused = expect(kept).rejects.toThrow("no 8");
  await restart();
  await refused;
  expect(tries).toBe(8);
});

test("what ends after each start is given up with how it ended", async () => {
  const refused = expect(keep()).rejects.toThrow("the server ended by SIGKILL after 8 starts in a row");
  const delays = [];
  for (let time = 0; time < 8; time++) delays.push(await restart());
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  await restart();
  await refused;
  expect(started).toHaveLength(9);
});

test("what is of no use another time is given up at once", async () => {
  const refused = expect(keep({ mostStarts: 0 })).rejects.toThrow("the server ended by SIGKILL");
  await restart();
  await refused;
  expect(started).toHaveLength(1);
});

test("nothing is started once it is to stop, while a start is waited for either", async () => {
  const kept = keep();
  started[0]!.end("with status 1");
  await turn();
  stop.abort();
  await kept;
  expect(started).toHaveLength(1);
  expect(lines).toEqual(["the server ended with status 1"]);
});
