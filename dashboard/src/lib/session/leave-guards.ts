/** Stands before something on a page that would be lost with the page. */
interface LeaveGuard {
  /** Whether it would ask. */
  holds(): boolean;
  /** Asks somebody whether it may be lost; false = they stay. */
  ask(): boolean | Promise<boolean>;
  /** They stay after all, though they agreed to this loss: the next time they are asked again. */
  stay(): void;
}

/** Who has to be asked before a page goes, or all are made anew for another session: what they hold would be gone without a word. */
export class LeaveGuards {
  readonly #guards = new Set<LeaveGuard>();

  /** Returns what takes the guard away. */
  add(guard: LeaveGuard): () => void {
    this.#guards.add(guard);
    return () => this.#guards.delete(guard);
  }

  /** Whether somebody would be asked. */
  get hold(): boolean {
    return [...this.#guards].some((guard) => guard.holds());
  }

  /** Goes away by `leave`, unless one that is asked, each in turn, is to stay; whether it went. */
  async leaveBy(leave: () => Promise<unknown>): Promise<boolean> {
    try {
      for (const guard of [...this.#guards]) {
        if (!(await guard.ask())) {
          this.stay();
          return false;
        }
      }
      await leave();
      return true;
    } catch (error) {
      this.stay();
      throw error;
    }
  }

  /** Somebody stays: what they agreed to lose is there still. */
  stay(): void {
    for (const guard of this.#guards) guard.stay();
  }
}

/** The guards of this tab. */
export const leaveGuards = new LeaveGuards();
