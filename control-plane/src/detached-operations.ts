import { setTimeout as delay } from "node:timers/promises";

/** Operations that go on when the client that asked for them has gone; a shutdown waits for them. */
export class DetachedOperations {
  readonly #running = new Set<Promise<unknown>>();

  /** Follows an operation to its end. */
  track<T>(operation: Promise<T>): Promise<T> {
    this.#running.add(operation);
    const forget = () => this.#running.delete(operation);
    operation.then(forget, forget);
    return operation;
  }

  /** Resolves when nothing runs any more, or after a time. */
  async drain(milliseconds: number): Promise<void> {
    const timer = new AbortController();
    const late = delay(milliseconds, "late" as const, { signal: timer.signal }).catch(() => "late" as const);
    while (this.#running.size > 0) {
      if ((await Promise.race([Promise.allSettled(this.#running), late])) === "late") return;
    }
    timer.abort();
  }
}
