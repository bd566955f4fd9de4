/** Milliseconds for which a host is avoided: a few visits of the monitor, which may find out more. */
const AVOIDED_MS = 15_000;
/** Hosts that are avoided at the same time; the newest ones count. */
const MOST = 64;

/** Hosts of which this process has just learned that they take no sandbox. */
export class AvoidedHosts {
  /** Until when, by UUID, the first to end first. */
  readonly #until = new Map<string, number>();

  add(hostId: string): void {
    this.#until.delete(hostId);
    this.#until.set(hostId, performance.now() + AVOIDED_MS);
    if (this.#until.size > MOST) this.#until.delete(this.#until.keys().next().value!);
  }

  /** UUIDs of those that are avoided at this time. */
  present(): string[] {
    const now = performance.now();
    for (const [hostId, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(hostId);
    }
    return [...this.#until.keys()];
  }
}
