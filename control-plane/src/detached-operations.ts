import { setTimeout as delay } from "node:timers/promises";
import { type EndedOperation, OperationTiming } from "@warren/server/operation-timing";

/** Operations on sandboxes whose time is measured, and their steps; docs/observability.md says what each is. */
export type TimedOperation = "create" | "pause" | "resume" | "rollback" | "fork" | "snapshot" | "destroy";

/** Measures one operation. */
export interface OperationSteps {
  /** Does a step of it: `admission` to the team's quota, `placement` on a host, `template` its way to that host, `host` the call to it, `record` in the database. */
  step<T>(name: "admission" | "placement" | "template" | "host" | "record", work: () => Promise<T>): Promise<T>;
  /** Names a sandbox that did not have an id when the operation began. */
  note(subject: { sandbox: string }): void;
}

/** Operations that go on when the client that asked for them has gone; a shutdown waits for them. */
export class DetachedOperations {
  readonly #running = new Set<Promise<unknown>>();
  /** Told of each that was measured, with what it was an operation on. */
  onEnd: (ended: EndedOperation, subject: Record<string, unknown>) => void = () => undefined;

  /** Follows an operation to its end. */
  track<T>(operation: Promise<T>): Promise<T> {
    this.#running.add(operation);
    const forget = () => this.#running.delete(operation);
    operation.then(forget, forget);
    return operation;
  }

  /** Follows an operation to its end, and measures it. */
  run<T>(
    operation: TimedOperation,
    subject: Record<string, unknown>,
    work: (steps: OperationSteps) => Promise<T>,
  ): Promise<T> {
    const timing = new OperationTiming(operation);
    const end = (error?: unknown) => this.onEnd(timing.end(error), subject);
    const done = work(timing);
    done.then(
      () => end(),
      (error: unknown) => end(error ?? new Error("an operation failed without a reason")),
    );
    return this.track(done);
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
