import type { ServerResponse } from "node:http";

/** What a response has to do when it is over. A map by response would grow and be searched by the collector all the time. */
const TASKS = Symbol("tasks of a response that is over");

type TaskedResponse = ServerResponse & { [TASKS]?: (() => void)[] };

/** Calls `task` once the response is complete, or its client has gone. All tasks of a response share one listener. */
export function whenOver(response: TaskedResponse, task: () => void): void {
  const waiting = response[TASKS];
  if (response.destroyed) task();
  else if (waiting) waiting.push(task);
  else {
    response[TASKS] = [task];
    // It comes once, so that nothing has to take the listener away.
    response.on("close", runTasks);
  }
}

function runTasks(this: TaskedResponse): void {
  for (const task of this[TASKS]!) task();
}
