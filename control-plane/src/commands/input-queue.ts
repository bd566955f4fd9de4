/** Weight of an item beside its bytes, so that empty items fill the queue too. */
const ITEM_WEIGHT = 256;

/** When a producer must wait and when it may go on, in bytes. */
export interface Pressure {
  high: number;
  low: number;
  /** Called when the queue has grown to `high`. */
  onHigh(): void;
  /** Called when the queue has shrunk to `low` again. */
  onLow(): void;
}

/** A queue between a producer that cannot wait, only be told to, and one consumer that takes items as it likes. */
export class InputQueue<T> implements AsyncIterable<T> {
  readonly #pressure: Pressure;
  readonly #items: { item: T; weight: number }[] = [];
  #weight = 0;
  #isHigh = false;
  #finished = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(pressure: Pressure) {
    this.#pressure = pressure;
  }

  /** Adds an item that holds so many bytes. */
  push(item: T, bytes = 0): void {
    if (this.#finished || this.#ended) return;
    const weight = bytes + ITEM_WEIGHT;
    this.#items.push({ item, weight });
    this.#weight += weight;
    if (!this.#isHigh && this.#weight >= this.#pressure.high) {
      this.#isHigh = true;
      this.#pressure.onHigh();
    }
    this.#wake?.();
  }

  /** Nothing more comes: the iteration ends behind what is there. */
  finish(): void {
    this.#finished = true;
    this.#wake?.();
  }

  /** Ends the iteration; what has not been taken is dropped. */
  end(): void {
    this.#ended = true;
    this.#items.length = 0;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (!this.#ended) {
      const next = this.#items.shift();
      if (next) {
        this.#release(next.weight);
        yield next.item;
      } else if (this.#finished) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }

  #release(weight: number): void {
    this.#weight -= weight;
    if (this.#isHigh && this.#weight <= this.#pressure.low) {
      this.#isHigh = false;
      this.#pressure.onLow();
    }
  }
}
