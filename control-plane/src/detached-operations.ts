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

  /** Resolves when nothing runs any more. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
