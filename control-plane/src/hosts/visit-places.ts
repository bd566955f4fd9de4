/**
 * Bounds how many hosts are visited at the same time. A visit gives its place up when it takes long, so that hosts that do not
 * answer hold back the others for no longer than that.
 */
export class VisitPlaces {
  readonly #holdMs: number;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number, holdMs: number) {
    this.#free = places;
    this.#holdMs = holdMs;
  }

  /** Resolves once there is a place, to what gives it up. */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isHeld = true;
    const leave = () => {
      if (!isHeld) return;
      isHeld = false;
      clearTimeout(timer);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
    const timer = setTimeout(leave, this.#holdMs).unref();
    return leave;
  }
}
