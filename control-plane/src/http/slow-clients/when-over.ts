import type { ServerResponse } from "node:http";

const tasks = new WeakMap<ServerResponse, (() => void)[]>();

/** Calls `task` once the response is complete, or its client has gone. All tasks of a response share one listener. */
export function whenOver(response: ServerResponse, task: () => void): void {
  const waiting = tasks.get(response);
  if (response.destroyed) task();
  else if (waiting) waiting.push(task);
  else {
    const all = [task];
    tasks.set(response, all);
    response.once("close", () => {
      for (const each of all) each();
    });
  }
}
