/** Asks somebody whether what stands on a page may be lost; false = they stay. */
type Ask = () => boolean | Promise<boolean>;

/** Who has to be asked before all pages are made anew for another session: what they hold would be gone without a word. */
class LeaveGuards {
  readonly #guards = new Set<Ask>();

  /** Returns what takes the guard away. */
  add(ask: Ask): () => void {
    this.#guards.add(ask);
    return () => this.#guards.delete(ask);
  }

  /** Asks each in turn; false as soon as one of them is to stay. */
  async mayLeave(): Promise<boolean> {
    for (const ask of [...this.#guards]) {
      if (!(await ask())) return false;
    }
    return true;
  }
}

/** The guards of this tab. */
export const leaveGuards = new LeaveGuards();
