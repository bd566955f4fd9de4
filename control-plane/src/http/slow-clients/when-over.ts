import type { ServerResponse } from "node:http";

/** What a response has to do when it is over. A map by response would grow and be searched by the collector all the time. */
const TASKS = Symbol("tasks of a response that is over");

/** Calls `task` once the response is complete, or its client has gone. All tasks of a response share one listener. */
export function whenOver(response: ServerResponse & { [TASKS]?: (() => void)[] }, task: () => void): void {
  const waiting = response[TASKS];
  if (response.destroyed) task();
  else if (waiting) waiting.push(task);
  else {
    const all = [task];
    response[TASKS] = all;
    response.once("close", () => {
      for (const each of all) each();
    });
  }
}
