/** One who takes from a budget, and how much of it at most. */
export interface Claim {
  owner: string;
  most: number;
}

/** Bounds how much of something is in use at once, by each owner and altogether. */
export class Budget {
  readonly #most: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes for all claims, or for none: false when it is more than one of them may have, or than there is. */
  take(claims: readonly Claim[], amount = 1): boolean {
    if (this.#all + amount > this.#most) return false;
    if (claims.some(({ owner, most }) => this.takenBy(owner) + amount > most)) return false;
    for (const { owner } of claims) this.#taken.set(owner, this.takenBy(owner) + amount);
    this.#all += amount;
    return true;
  }

  /** Gives back what was taken for these claims. */
  release(claims: readonly Claim[], amount = 1): void {
    this.#all -= amount;
    for (const { owner } of claims) {
      const left = this.takenBy(owner) - amount;
      if (left > 0) this.#taken.set(owner, left);
      else this.#taken.delete(owner);
    }
  }

  takenBy(owner: string): number {
    return this.#taken.get(owner) ?? 0;
  }
}
