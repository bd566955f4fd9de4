/** How much there may be of something: so much at once, and more by and by. */
export class Allowance {
  readonly #since = performance.now();
  readonly #atOnce: number;
  readonly #perSecond: number;
  #taken = 0;

  constructor(atOnce: number, perSecond: number) {
    this.#atOnce = atOnce;
    this.#perSecond = perSecond;
  }

  /** Counts so much; false = it is more than there may be by now. */
  take(amount: number): boolean {
    this.#taken += amount;
    const seconds = (performance.now() - this.#since) / 1000;
    return this.#taken <= this.#atOnce + seconds * this.#perSecond;
  }
}
