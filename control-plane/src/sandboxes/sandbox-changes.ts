/** Tells within this control plane that sandboxes have changed in the database. */
export class SandboxChanges {
  readonly #listeners = new Set<(id: string) => void>();

  /** Listeners are called in the order of subscription, with the id of each sandbox that changes. */
  subscribe(listener: (id: string) => void): void {
    this.#listeners.add(listener);
  }

  publish(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}
