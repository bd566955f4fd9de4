/** How far the output of a command may be ahead of what its client says that it has used. Without a size it is never full. */
export class OutputWindow {
  readonly #size: number;
  /** Bytes that were sent and of which the client has not said that it has used them. */
  #ahead = 0;
  #waiting: (() => void) | undefined;

  constructor(size: number = Number.POSITIVE_INFINITY) {
    this.#size = size;
  }

  get isBounded(): boolean {
    return Number.isFinite(this.#size);
  }

  get isFull(): boolean {
    return this.#ahead >= this.#size;
  }

  /** Counts bytes that are sent. Resolves when more may follow; a piece may be larger than the window. */
  async sent(bytes: number): Promise<void> {
    if (!this.isBounded) return;
    this.#ahead += bytes;
    if (this.isFull) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }

  /** Counts bytes that the client has used; false, and nothing is counted, when they are more than it has been sent. */
  used(bytes: number): boolean {
    if (bytes > this.#ahead) return false;
    this.#ahead -= bytes;
    if (!this.isFull) {
      this.#waiting?.();
      this.#waiting = undefined;
    }
    return true;
  }
}
