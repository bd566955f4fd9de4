import type { Sandbox } from "./sandbox.ts";

/** Longest delay of a timer in milliseconds (a signed 32-bit number). */
const MAX_DELAY = 2 ** 31 - 1;

/** One timer for each sandbox that has a timeout; it goes off when the sandbox may have become inactive. */
export class InactivityTimers {
  readonly #timers = new Map<Sandbox, NodeJS.Timeout>();
  readonly #onInactive: (sandbox: Sandbox) => Promise<void>;

  /** `onInactive` is called again after a pause of the timeout when it fails, for as long as the sandbox is watched. */
  constructor(onInactive: (sandbox: Sandbox) => Promise<void>) {
    this.#onInactive = onInactive;
  }

  /** Watches a running sandbox. */
  watch(sandbox: Sandbox): void {
    this.forget(sandbox);
    const { timeoutSec } = sandbox.record.spec;
    if (timeoutSec > 0) this.#arm(sandbox, sandbox.lastActiveAt + timeoutSec * 1000 - Date.now());
  }

  forget(sandbox: Sandbox): void {
    clearTimeout(this.#timers.get(sandbox));
    this.#timers.delete(sandbox);
  }

  close(): void {
    for (const sandbox of [...this.#timers.keys()]) this.forget(sandbox);
  }

  #arm(sandbox: Sandbox, delay: number): void {
    const timer = setTimeout(() => void this.#check(sandbox), Math.min(Math.max(delay, 1), MAX_DELAY));
    timer.unref();
    this.#timers.set(sandbox, timer);
  }

  async #check(sandbox: Sandbox): Promise<void> {
    const limit = sandbox.record.spec.timeoutSec * 1000;
    if (!sandbox.isInactive()) {
      this.#arm(sandbox, sandbox.busy ? limit : sandbox.lastActiveAt + limit - Date.now());
      return;
    }
    await this.#onInactive(sandbox).catch(() => undefined);
    if (this.#timers.has(sandbox) && sandbox.lifecycle.status === "running") this.#arm(sandbox, limit);
  }
}
