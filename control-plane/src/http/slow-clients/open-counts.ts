/** Counts what is under way, by owner. */
export class OpenCounts {
  readonly #byOwner = new Map<string, number>();

  /** Counts one more; false when the owner has `most` already. */
  enter(owner: string, most: number): boolean {
    const open = this.#byOwner.get(owner) ?? 0;
    if (open >= most) return false;
    this.#byOwner.set(owner, open + 1);
    return true;
  }

  leave(owner: string): void {
    const open = this.#byOwner.get(owner) ?? 0;
    if (open > 1) this.#byOwner.set(owner, open - 1);
    else this.#byOwner.delete(owner);
  }
}
