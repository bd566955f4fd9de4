/** Counts, by id, who needs a thing to stay. */
export class PinCounts {
  readonly #counts = new Map<string, number>();

  /** Adds a pin. The returned function takes it back, once, and says whether it was the last. */
  add(id: string): () => boolean {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return false;
      held = false;
      const left = (this.#counts.get(id) ?? 0) - 1;
      if (left > 0) this.#counts.set(id, left);
      else this.#counts.delete(id);
      return left === 0;
    };
  }

  has(id: string): boolean {
    return this.#counts.has(id);
  }

  ids(): IterableIterator<string> {
    return this.#counts.keys();
  }
}
