/** What has changed about who may do what; every field narrows whom it concerns. UUIDs. */
export interface AccessChange {
  userId?: string;
  teamId?: string;
  sessionId?: string;
}

/**
 * Tells the parts of this process that keep what authentication has read, so that a change counts at once. Announce a
 * change after it is committed. Other control planes see it when what they keep has expired, within a second.
 */
export class AccessChanges {
  readonly #listeners = new Set<(change: AccessChange) => void>();

  /** Returns a function that ends the subscription. */
  subscribe(listener: (change: AccessChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  announce(change: AccessChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
